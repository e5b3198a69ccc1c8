"""What an S3 server answers besides files: pages of a listing, and errors.

Separate because it reads text that nobody vouches for: sizes are bounded by the caller, and a document type, with
which XML could name files or grow without end, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from moorage_agent.errors import DeniedError, FetchError, SourceInvalidError, SourceMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_DENIED: Final = frozenset(
    {"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
)
_DENIED_STATUS: Final = frozenset({401, 403})
_MISSING_STATUS: Final = frozenset({404, 410})
_MAX_KEYS: Final = 1000
"""The protocol's own bound; a page is in memory as a whole."""
_ELSEWHERE: Final = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
"""Said where a request is signed for another region than the bucket's."""
_ELSEWHERE_STATUS: Final = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the objects below a prefix."""

    keys: Sequence[str]
    """Whole keys, in the order of their bytes."""
    next: str | None
    """Token of the next page, None on the last."""


def error_of(host: str, status: int, body: bytes) -> FetchError:
    """Return the error that an answer other than 200 stands for, with the server's word for it and no more."""
    found = _CODE.search(body)
    code = found[1].decode() if found else ""
    said = f"{host} answered {status}" + (f" {code}" if code else "")
    if status in _DENIED_STATUS or code in _DENIED:
        return DeniedError(said)
    if status in _MISSING_STATUS:
        return SourceMissingError(said)
    if status in _ELSEWHERE_STATUS or code in _ELSEWHERE:
        return FetchError(f"{said}: the bucket is elsewhere, see spec.source.s3")
    return FetchError(said)


def page_of(host: str, body: bytes) -> Page:
    """Return a page of a listing; raises SourceInvalidError for what is none."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text.append
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise SourceInvalidError(f"{host} answered a listing that is no XML") from error
    if not reader.is_listing:
        raise SourceInvalidError(f"{host} answered something else than a listing")
    if reader.is_truncated and reader.token is None:
        raise SourceInvalidError(f"{host} answered a listing without its end")
    return Page(tuple(reader.keys), reader.token if reader.is_truncated else None)


def _refuse(*_: object) -> None:
    raise SourceInvalidError("a listing must not declare a document type")


@dataclass
class _Reader:
    """Gathers what matters while the parser runs through the document."""

    path: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    token: str | None = None
    is_truncated: bool = False
    is_listing: bool = False

    def start(self, name: str, _: object) -> None:
        self.path.append(name.rpartition(" ")[2])
        self.is_listing = self.is_listing or self.path == ["ListBucketResult"]
        self.text.clear()

    def end(self, _: str) -> None:
        said = "".join(self.text)
        match self.path:
            case ["ListBucketResult", "Contents", "Key"]:
                self._add(said)
            case ["ListBucketResult", "NextContinuationToken"]:
                self.token = said
            case ["ListBucketResult", "IsTruncated"]:
                self.is_truncated = said.strip() == "true"
            case _:
                pass
        self.path.pop()
        self.text.clear()

    def _add(self, key: str) -> None:
        if len(self.keys) == _MAX_KEYS:
            raise SourceInvalidError(f"a page of a listing names more than {_MAX_KEYS} objects")
        self.keys.append(key)
