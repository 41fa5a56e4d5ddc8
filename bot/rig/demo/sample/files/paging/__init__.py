"""Cuts a list into pages."""

from paging.pages import page, page_count

__all__ = ["page", "page_count"]
