import unittest

from paging import page, page_count


class PageCount(unittest.TestCase):
    def test_a_started_page_counts(self):
        self.assertEqual(page_count(45, 10), 5)

    def test_fewer_items_than_a_page_make_one_page(self):
        self.assertEqual(page_count(3, 10), 1)

    def test_full_pages_only(self):
        self.assertEqual(page_count(40, 10), 4)

    def test_an_empty_page_size_is_refused(self):
        with self.assertRaises(ValueError):
            page_count(40, 0)


class Page(unittest.TestCase):
    def test_the_first_page(self):
        self.assertEqual(page(list("abcde"), 1, 2), ["a", "b"])

    def test_the_last_page_may_be_short(self):
        self.assertEqual(page(list("abcde"), 3, 2), ["e"])

    def test_there_is_no_page_zero(self):
        with self.assertRaises(IndexError):
            page(list("abcde"), 0, 2)


if __name__ == "__main__":
    unittest.main()
