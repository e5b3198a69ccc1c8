from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

from moorage_crds import names
from moorage_operator.runtime import apierrors, resources, trim
from moorage_operator.runtime.cache import Cache, Change
from moorage_operator.runtime.informer import Informer
from moorage_operator.runtime.watched import Watched
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock, settle
from tests.unit.moorage_operator.runtime.objects import Manifest, manifest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from moorage_operator.runtime.client import Options

WATCHED = Watched(
    "Service", resources.SERVICE, lambda one: names.tenant_of_namespace(one["metadata"]["namespace"]), trim.plain, "x"
)
Script = list[Manifest | apierrors.ApiError]


@dataclass
class WatchServer:
    """Answers lists and watches by script; a watch whose script has ended stays open."""

    lists: deque[Manifest | apierrors.ApiError]
    watches: deque[Script] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        assert (method, path) == ("GET", "/api/v1/services")
        assert options.keys() <= {"params", "seconds"}
        self.asked.append({**options.get("params", {}), "verb": "list"})
        answer = self.lists.popleft()
        if isinstance(answer, apierrors.ApiError):
            raise answer
        return answer

    async def watch(self, path: str, params: Mapping[str, str], inactivity: float) -> AsyncIterator[Manifest]:
        assert path == "/api/v1/services"
        assert inactivity > 0
        self.asked.append({**params, "verb": "watch"})
        for event in self.watches.popleft() if self.watches else ():
            if isinstance(event, apierrors.ApiError):
                raise event
            yield event
        await asyncio.Event().wait()


def listed(version: int, *items: Manifest, more: str = "") -> Manifest:
    bare = [{key: value for key, value in one.items() if key not in ("apiVersion", "kind")} for one in items]
    return {"metadata": {"resourceVersion": str(version), "continue": more}, "items": bare}


def event(kind: str, one: Manifest) -> Manifest:
    return {"type": kind, "object": one}


@dataclass
class Watching:
    informer: Informer
    server: WatchServer
    changes: list[Change]

    def versions(self) -> dict[str, int]:
        cache = self.informer.cache
        return {one.name[1]: one.version for tenant in list(cache.tenants()) for one in cache.of_tenant(tenant)}


@asynccontextmanager
async def watching(clock: FakeClock, lists: Script, watches: list[Script]) -> AsyncIterator[Watching]:
    server = WatchServer(deque(lists), deque(watches))
    changes: list[Change] = []
    informer = Informer(
        watched=WATCHED,
        cache=Cache(WATCHED.tenant_of, WATCHED.trim),
        client=server,
        on_change=changes.append,
        clock=clock,
        lists=asyncio.Semaphore(1),
    )
    task = asyncio.create_task(informer.run())
    await settle()
    yield Watching(informer, server, changes)
    task.cancel()
    await asyncio.wait({task})


async def test_a_list_then_a_watch_from_its_version(clock: FakeClock) -> None:
    async with watching(clock, [listed(10, manifest("a", 3))], [[event("ADDED", manifest("b", 11, uid="u2"))]]) as it:
        assert it.informer.synced.is_set()
        assert it.versions() == {"a": 3, "b": 11}
        assert [change.tenant for change in it.changes] == ["acme", "acme"]
        assert (it.server.asked[0]["labelSelector"], it.server.asked[1]["resourceVersion"]) == ("x", "10")
        assert it.server.asked[1]["allowWatchBookmarks"] == "true"


async def test_listed_objects_get_the_kind_that_lists_leave_out(clock: FakeClock) -> None:
    async with watching(clock, [listed(10, manifest("a", 3))], []) as it:
        entry = it.informer.cache.get("tenant-acme", "a")
        assert entry is not None
        assert (entry.manifest()["kind"], entry.manifest()["apiVersion"]) == ("Service", "v1")


async def test_pages_are_followed_to_the_end(clock: FakeClock) -> None:
    pages: Script = [listed(10, manifest("a", 3), more="next"), listed(10, manifest("b", 4, uid="u2"))]
    async with watching(clock, pages, []) as it:
        assert it.versions() == {"a": 3, "b": 4}
        assert it.server.asked[1]["continue"] == "next"


async def test_a_page_token_that_expired_begins_the_list_again(clock: FakeClock) -> None:
    pages: Script = [listed(10, manifest("a", 3), more="next"), apierrors.GoneError("expired", 410), listed(20)]
    async with watching(clock, pages, []) as it:
        assert it.versions() == {}
        assert it.server.asked[-1]["resourceVersion"] == "20"


async def test_410_lists_anew_and_tells_of_what_was_deleted_in_the_gap(clock: FakeClock) -> None:
    expired = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
    lists: Script = [listed(10, manifest("a", 3), manifest("ghost", 4, uid="u2")), listed(30, manifest("a", 3))]
    async with watching(clock, lists, [[expired]]) as it:
        assert it.versions() == {"a": 3}
        assert [change.old.name[1] for change in it.changes if change.new is None and change.old] == ["ghost"]


async def test_a_broken_watch_resumes_where_it_stopped_without_a_list(clock: FakeClock) -> None:
    first: Script = [event("ADDED", manifest("a", 12)), apierrors.UnreachableError("cut")]
    async with watching(clock, [listed(10)], [first]) as it:
        await clock.advance(1)
        assert [one["verb"] for one in it.server.asked] == ["list", "watch", "watch"]
        assert it.server.asked[-1]["resourceVersion"] == "12"


async def test_a_bookmark_moves_the_version_on(clock: FakeClock) -> None:
    bookmark = event("BOOKMARK", {"kind": "Service", "metadata": {"resourceVersion": "99"}})
    async with watching(clock, [listed(10)], [[bookmark, apierrors.UnreachableError("cut")]]) as it:
        await clock.advance(1)
        assert it.server.asked[-1]["resourceVersion"] == "99"
        assert it.changes == []


async def test_attempts_that_keep_failing_are_spaced_out_and_end_in_a_list(clock: FakeClock) -> None:
    cuts: list[Script] = [[apierrors.ServerError("broken", 500)] for _ in range(5)]
    async with watching(clock, [listed(10), listed(11)], cuts) as it:
        assert len(it.server.asked) <= 3
        await clock.advance(60)
        assert [one["verb"] for one in it.server.asked].count("list") == 2


async def test_an_api_server_that_was_away_is_asked_to_go_on_and_not_to_list(clock: FakeClock) -> None:
    cuts: list[Script] = [[apierrors.UnreachableError("away")] for _ in range(12)]
    async with watching(clock, [listed(10)], cuts) as it:
        await clock.advance(600)
        assert [one["verb"] for one in it.server.asked] == ["list", *["watch"] * 13]


async def test_a_failing_list_is_tried_again_and_synced_comes_with_success(clock: FakeClock) -> None:
    lists: Script = [apierrors.ForbiddenError("no", 403), apierrors.ForbiddenError("no", 403), listed(10)]
    async with watching(clock, lists, []) as it:
        assert not it.informer.synced.is_set()
        await clock.advance(5)
        assert it.informer.synced.is_set()


async def test_too_many_requests_are_waited_out_as_asked(clock: FakeClock) -> None:
    lists: Script = [apierrors.TooManyRequestsError("busy", 429, 20), listed(10)]
    async with watching(clock, lists, []) as it:
        await clock.advance(15)
        assert len(it.server.asked) == 1
        await clock.advance(10)
        assert it.informer.synced.is_set()


async def test_an_invisible_change_is_kept_and_not_told(clock: FakeClock) -> None:
    async with watching(clock, [listed(10, manifest("a", 3))], [[event("MODIFIED", manifest("a", 11))]]) as it:
        assert it.versions() == {"a": 11}
        assert len(it.changes) == 1


async def test_age_counts_from_the_last_word(clock: FakeClock) -> None:
    async with watching(clock, [listed(10)], []) as it:
        await clock.advance(42)
        assert it.informer.age == 42
