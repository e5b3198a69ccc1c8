"""Cursor pages neither skip nor repeat."""

from __future__ import annotations

import pytest

from moorage_api.pages import PageRequest, page_request
from moorage_crds.errors import InvalidInputError

NAMES = ["a", "b", "c", "d", "e"]


def walk(names: list[str], limit: int) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = page_request(limit, cursor).cut(names, str)
        pages.append(page.items)
        if page.next_cursor is None:
            return pages
        cursor = page.next_cursor


def test_pages_hold_everything_once_and_in_order() -> None:
    assert walk(NAMES, 2) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_full_last_page_has_no_successor() -> None:
    assert walk(NAMES, 5) == [NAMES]


def test_an_empty_list_is_one_empty_page() -> None:
    assert walk([], 5) == [[]]


def test_what_is_deleted_between_two_pages_shifts_nothing() -> None:
    first = PageRequest("", 2).cut(NAMES, str)
    assert first.next_cursor is not None
    rest = [name for name in NAMES if name != "b"]

    assert page_request(2, first.next_cursor).cut(rest, str).items == ["c", "d"]


@pytest.mark.parametrize("cursor", ["!", "a", "w7-_", "//79"])
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInputError):
        page_request(2, cursor)
