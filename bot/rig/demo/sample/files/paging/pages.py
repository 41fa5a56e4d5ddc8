def page_count(total, size):
    """How many pages of `size` items hold `total` items."""
    if size < 1:
        raise ValueError("a page holds at least one item")
    return total // size + 1


def page(items, number, size):
    """The items of page `number`, counted from 1."""
    if not 1 <= number <= page_count(len(items), size):
        raise IndexError(f"there is no page {number}")
    start = (number - 1) * size
    return items[start : start + size]
