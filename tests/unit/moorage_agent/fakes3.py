"""A small S3 server: objects, listings page by page, and signatures checked over what really arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from aiohttp import web

from moorage_agent.sources.sigv4 import Key, Scope, s3_headers

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Key("AKIDTEST", "s3cret+/key")
_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass
class FakeS3:
    """What the server holds and was asked."""

    objects: dict[str, bytes] = field(default_factory=dict)
    """By bucket and key, as in ``bucket/a/b``."""
    page: int = 1000
    key: Key | None = KEY
    """Whose signatures are taken; None takes requests without one."""
    region: str = "us-east-1"
    asked: list[str] = field(default_factory=list)
    listing: Callable[[str], str] | None = None
    """Changes what a listing says."""

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._get)])
        return app

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        if not self._is_signed(request):
            return web.Response(status=403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")
        path = request.match_info["path"]
        if "list-type" in request.query:
            return self._list(path, request.query["prefix"], int(request.query.get("continuation-token", 0)))
        if path not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(body=self.objects[path])

    def _list(self, bucket: str, prefix: str, start: int) -> web.Response:
        keys = sorted(path.removeprefix(f"{bucket}/") for path in self.objects if path.startswith(f"{bucket}/{prefix}"))
        contents = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in keys[start : start + self.page])
        more = start + self.page < len(keys)
        token = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>" if more else ""
        end = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        text = f'<?xml version="1.0"?><ListBucketResult {_XMLNS}>{contents}{token}{end}</ListBucketResult>'
        return web.Response(text=self.listing(text) if self.listing else text, content_type="application/xml")

    def _is_signed(self, request: web.Request) -> bool:
        if self.key is None:
            return "Authorization" not in request.headers
        path, _, query = request.raw_path.partition("?")
        expected = s3_headers(self.key, Scope(self.region, NOW), request.headers["Host"], path, query)
        return all(request.headers.get(name) == value for name, value in expected.items())
