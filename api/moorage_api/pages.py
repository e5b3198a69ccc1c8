"""Cursor pages: every list is ordered by a key, and a cursor says after which key the next page begins.

Unlike offsets, a cursor neither skips nor repeats anything when objects come and go between two pages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from moorage_crds.errors import InvalidInputError

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT")

_DEFAULT: Final = 50
_MAX: Final = 200
_CURSOR_MAX: Final = 512


class Page(BaseModel, Generic[ItemT]):
    """Part of a list."""

    items: list[ItemT]
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null on the last."""

    def response(self) -> Response:
        """Return the page as it is, for items that must not be validated again."""
        return JSONResponse({"items": self.items, "next_cursor": self.next_cursor})


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is asked for."""

    after: str
    """Key after which the page begins; empty for the first page."""
    limit: int

    def page(self, rows: Sequence[RowT], key: Callable[[RowT], str]) -> Page[RowT]:
        """Return the page of rows that begin right after ``after``; more rows than ``limit`` mean another page."""
        items = list(rows[: self.limit])
        cursor = _encode(key(items[-1])) if len(rows) > self.limit else None
        return Page(items=items, next_cursor=cursor)

    def cut(self, rows: Iterable[RowT], key: Callable[[RowT], str]) -> Page[RowT]:
        """Return the page out of all rows, which come ordered by key."""
        return self.page([row for row in rows if key(row) > self.after], key)


def page_request(
    limit: Annotated[int, Query(ge=1, le=_MAX)] = _DEFAULT,
    cursor: Annotated[str, Query(max_length=_CURSOR_MAX)] = "",
) -> PageRequest:
    """Read ``limit`` and ``cursor`` from the query."""
    return PageRequest(_decode(cursor), limit)


CurrentPage = Annotated[PageRequest, Depends(page_request)]


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise InvalidInputError("cursor is none that a list has answered.") from error
