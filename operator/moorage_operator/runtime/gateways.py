"""What the gateways count of revisions on trial: asked every 5 seconds, and only while there is a trial.

Separate because it is the operator's only talk with other parts of Moorage. Gateways are found in the
EndpointSlices of their metrics Service and told nothing; one that does not answer makes data missing, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from moorage_crds import names
from moorage_operator.reconcile import Canary, Reading, Tally, add
from moorage_operator.runtime import apierrors, resources
from moorage_operator.runtime.log import fields
from moorage_operator.runtime.watched import SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moorage_operator.runtime.client import Api
    from moorage_operator.runtime.clock import Clock

PERIOD: Final = 5.0
"""Seconds between two rounds."""
TIMEOUT: Final = 3.0
"""Seconds for one gateway's answer."""
ANSWER_MAX: Final = 16 * 1024 * 1024
"""Longest answer that is read, in bytes: some hundred for each revision that the gateway has served."""

_REQUESTS: Final = f"{names.REVISION_REQUESTS}_total"
_ERRORS: Final = f"{names.REVISION_ERRORS}_total"
_QUERY: Final = [("name[]", one) for one in (_REQUESTS, _ERRORS, names.GATEWAY_STARTED)]

_log = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""Tenant, model and revision."""


@dataclass(frozen=True)
class Page:
    """One gateway's answer."""

    address: str
    started: float
    requests: Mapping[Key, float]
    errors: Mapping[Key, float]

    def reading(self, key: Key) -> Reading:
        """Return what it says of one revision; a revision that it never served has no counter yet."""
        return Reading(self.address, self.started, self.requests.get(key, 0), self.errors.get(key, 0))


class Gateways:
    """Keeps the tallies of canaries; use as ``async with Gateways(...)``.

    ``on_news`` is called with each tenant whose canaries were asked about, after every round.
    """

    def __init__(self, api: Api, namespace: str, clock: Clock, on_news: Callable[[str], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._on_news = on_news
        self._tallies: dict[Key, Tally] = {}
        self._wanted = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connections and return the object itself."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def follow(self, tenant: str, canaries: Iterable[Canary]) -> None:
        """Take note of which canaries a tenant has now; the figures of one that was followed already are kept."""
        wanted = {(tenant, one.model, one.revision): one.since for one in canaries}
        for key in [key for key in self._tallies if key[0] == tenant and key not in wanted]:
            del self._tallies[key]
        for key, since in wanted.items():
            if key not in self._tallies or self._tallies[key].since != since:
                self._tallies[key] = Tally(since)
        if self._tallies:
            self._wanted.set()
        else:
            self._wanted.clear()

    def tallies(self, tenant: str) -> dict[tuple[str, str], Tally]:
        """Return the figures of a tenant's canaries by model and revision."""
        return {(model, revision): tally for (of, model, revision), tally in self._tallies.items() if of == tenant}

    async def run(self) -> None:
        """Ask round by round until cancelled."""
        while True:
            await self._wanted.wait()
            await self.ask()
            await self._clock.sleep(PERIOD)

    async def ask(self) -> None:
        """Ask every gateway once and tell the news."""
        pages = await self._pages()
        answered = [page for page in pages if page is not None]
        is_complete = bool(pages) and len(answered) == len(pages)
        now = self._clock.now()
        for key, tally in list(self._tallies.items()):
            readings = [page.reading(key) for page in answered]
            self._tallies[key] = add(tally, readings, now, is_complete=is_complete)
        for tenant in {tenant for tenant, _, _ in self._tallies}:
            self._on_news(tenant)

    async def _pages(self) -> list[Page | None]:
        """Return each gateway's answer, None for one that gave none; nothing when no gateway is known."""
        try:
            addresses = await self._addresses()
        except apierrors.ApiError as error:
            _log.info("gateways not found", extra=fields(error=str(error)))
            return []
        return list(await asyncio.gather(*(self._page(address) for address in addresses)))

    async def _addresses(self) -> list[str]:
        path = resources.ENDPOINT_SLICE.path(self._namespace)
        found = await self._api.request("GET", path, params={"labelSelector": f"{SERVICE_NAME}={names.API_METRICS}"})
        return sorted({address for one in found["items"] for address in _of_slice(one)})

    async def _page(self, address: str) -> Page | None:
        if self._session is None:
            return None
        try:
            async with self._session.get(f"http://{address}/metrics", params=_QUERY) as response:
                text = await response.content.read(ANSWER_MAX) if response.ok else b""
            return await asyncio.to_thread(parse, address, text.decode())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
            _log.info("gateway not asked", extra=fields(address=address, error=type(error).__name__))
            return None


def _of_slice(endpoint_slice: Mapping[str, Any]) -> Iterable[str]:
    """Return address and port of each ready process; one that starts or ends gets no requests that would count."""
    ports = [port["port"] for port in endpoint_slice.get("ports") or ()]
    for endpoint in endpoint_slice.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            for address in endpoint["addresses"][:1]:
                host = f"[{address}]" if ":" in address else address
                yield from (f"{host}:{port}" for port in ports)


def parse(address: str, text: str) -> Page:
    """Return a gateway's answer; raises ValueError or KeyError for anything but a gateway's."""
    counted: dict[str, dict[Key, float]] = {_REQUESTS: {}, _ERRORS: {}}
    started: float | None = None
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == names.GATEWAY_STARTED:
                started = sample.value
            elif sample.name in counted:
                labels = sample.labels
                counted[sample.name][labels["tenant"], labels["model"], labels["revision"]] = sample.value
    if started is None:
        raise ValueError(f"expected {names.GATEWAY_STARTED} from {address}, got none")
    return Page(address, started, counted[_REQUESTS], counted[_ERRORS])
