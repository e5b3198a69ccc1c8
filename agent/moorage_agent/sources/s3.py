"""Sources at an ``s3://bucket/key`` address, on AWS or any server that speaks its protocol.

Separate as every scheme is. With a SHA-256 the key is one archive or file, without one it is a folder: every object
below it. Requests go through the same fence as https, are never redirected, and carry a signature, not the key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yarl import URL

from moorage_agent.errors import SecretNotUsableError, SourceInvalidError, SourceMissingError
from moorage_agent.sources import outside, settling, sigv4
from moorage_agent.sources.paths import is_litter, safe_path
from moorage_agent.sources.s3_answers import error_of, page_of
from moorage_agent.sources.sigv4 import Key, Scope
from moorage_crds.modeldeployment import ObjectStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    import aiohttp

    from moorage_agent.sources.budget import Budget
    from moorage_agent.sources.credentials import Credentials, Keyring
    from moorage_agent.sources.outside import Outside, Visit
    from moorage_crds.modeldeployment import Source

_OK = 200
_HTTPS_PORT = 443
_MAX_PAGE: Final = 8 << 20
"""A page names at most 1,000 keys of at most 1 KiB each, and says little more of each."""
_MAX_ERROR: Final = 4096


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket at its server, and how to ask it."""

    origin: URL
    """Scheme, host and port that are connected to."""
    root: tuple[str, ...]
    """What a path begins with: the bucket's name, or nothing where the host has it."""
    region: str
    key: Key | None
    """None for a bucket that is open to everybody."""

    @property
    def host(self) -> str:
        """Return the Host header."""
        return f"{self.origin.host}" if self.origin.port == _HTTPS_PORT else f"{self.origin.host}:{self.origin.port}"

    def request(self, now: datetime, name: str = "", query: str = "") -> tuple[URL, Mapping[str, str]]:
        """Return address and headers of a GET of an object, or of the bucket itself."""
        path = sigv4.path_of(*self.root, *((name,) if name else ()))
        url = URL(f"{self.origin}{path}" + (f"?{query}" if query else ""), encoded=True)
        if self.key is None:
            return url, {}
        return url, sigv4.s3_headers(self.key, Scope(self.region, now), self.host, path, query)


class S3:
    """Downloads objects from addresses that the rules allow."""

    def __init__(self, outside: Outside, keyring: Keyring, now: Callable[[], datetime]) -> None:
        self._outside = outside
        self._keyring = keyring
        self._now = now

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Download one object and compare its digest, or every object below a folder."""
        name, _, key = (source.uri or "").removeprefix("s3://").partition("/")
        store = source.s3 or ObjectStore()
        bucket = bucket_of(name, store, await self._keyring.of(source))
        download = into.with_name(f"{into.name}.download")
        try:
            async with self._outside.visit(bucket.host, budget.reach) as visit:
                if source.sha256:
                    settling.compare(await self._save(visit, bucket, key, download, budget), source.sha256)
                    await asyncio.to_thread(settling.settle, download, key.rpartition("/")[2], into, budget)
                else:
                    await self._folder(visit, bucket, key.rstrip("/") + "/", into, budget)
        finally:
            budget.cancelled = True  # Stops the thread where the waiting for it was cancelled.
            download.unlink(missing_ok=True)

    async def _save(self, visit: Visit, bucket: Bucket, key: str, path: Path, budget: Budget) -> str:
        url, headers = bucket.request(self._now(), key)
        async with visit.get(url, headers) as response:
            await _check(bucket, response)
            return await outside.save(response, path, budget)

    async def _folder(self, visit: Visit, bucket: Bucket, prefix: str, into: Path, budget: Budget) -> None:
        found = False
        async for key in self._keys(visit, bucket, prefix):
            found = True
            target = safe_path(key.removeprefix(prefix))
            if key.endswith("/") or is_litter(target):
                continue
            budget.spend(files=1)
            path = into / target
            if path.exists():
                raise SourceInvalidError(f"{key!r} is the path of another object too")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                await self._save(visit, bucket, key, path, budget)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise SourceInvalidError("the source names a file as a folder too") from error
        if not found:
            raise SourceMissingError(f"{bucket.host} holds nothing below {prefix}")

    async def _keys(self, visit: Visit, bucket: Bucket, prefix: str) -> AsyncIterator[str]:
        """Yield every key below a prefix, one page in memory at a time."""
        token: str | None = None
        while True:
            query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
            url, headers = bucket.request(self._now(), query=sigv4.query_of(query))
            async with visit.get(url, headers) as response:
                await _check(bucket, response)
                page = page_of(bucket.host, await _read(bucket, response))
            for key in page.keys:
                if not key.startswith(prefix):
                    raise SourceInvalidError(f"{bucket.host} listed something that was not asked for")
                yield key
            if page.next is None:
                return
            token = page.next


def bucket_of(name: str, store: ObjectStore, credentials: Credentials | None) -> Bucket:
    """Return a bucket where the source says; raises SecretNotUsableError when the key is not for that host."""
    server = URL(store.endpoint or f"https://s3.{store.region}.amazonaws.com")
    in_host = store.addressing == "VirtualHost"
    origin = (server.with_host(f"{name}.{server.host}") if in_host else server).origin()
    if credentials is not None:
        credentials.check(origin)
    return Bucket(origin, () if in_host else (name,), store.region, _key(credentials) if credentials else None)


def _key(credentials: Credentials) -> Key:
    """Return the access key, by our names or by those that AWS gives its environment variables."""
    access = credentials.first("accessKeyID", "AWS_ACCESS_KEY_ID")
    secret = credentials.first("secretAccessKey", "AWS_SECRET_ACCESS_KEY")
    if access is None or secret is None:
        raise SecretNotUsableError(f"Secret {credentials.secret} lacks accessKeyID and secretAccessKey")
    return Key(access, secret, credentials.first("sessionToken", "AWS_SESSION_TOKEN"))


async def _check(bucket: Bucket, response: aiohttp.ClientResponse) -> None:
    if response.status != _OK:
        raise error_of(bucket.host, response.status, await response.content.read(_MAX_ERROR))


async def _read(bucket: Bucket, response: aiohttp.ClientResponse) -> bytes:
    """Return the whole of a bounded body."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_PAGE:
            raise SourceInvalidError(f"{bucket.host} answered a listing of more than 8 MiB")
    return bytes(body)
