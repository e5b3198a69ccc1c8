"""The copy of the namespace's revisions, against a server that speaks list and watch."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from moorage_agent.metrics import Metrics
from moorage_agent.watch import RevisionWatch
from moorage_crds import labels
from tests.unit.moorage_agent.build import controller_revision, revision, snapshot
from tests.unit.moorage_agent.fakekube import FakeKube, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

A, B = revision("a").triton_name, revision("b").triton_name
BOOKMARK: dict[str, Any] = {"metadata": {"resourceVersion": "77"}}


@asynccontextmanager
async def watching(fake: FakeKube, folder: Path) -> AsyncIterator[RevisionWatch]:
    async with running(fake, folder) as kube:
        watch = RevisionWatch(kube, lambda: None, Metrics())
        task = asyncio.create_task(watch.run())
        yield watch
        task.cancel()
        await asyncio.wait([task])


def names(watch: RevisionWatch) -> set[str]:
    return set(watch.desired or {})


async def test_nothing_is_known_before_the_first_answer(tmp_path: Path) -> None:
    async with running(FakeKube(), tmp_path) as kube:
        assert RevisionWatch(kube, lambda: None, Metrics()).desired is None


async def test_revisions_are_listed_page_by_page_with_the_models_label(tmp_path: Path) -> None:
    fake = FakeKube([controller_revision(name) for name in "abcde"], page=2)
    async with watching(fake, tmp_path) as watch:
        await until(lambda: len(names(watch)) == 5)
    assert [query.get("continue") for query in fake.lists] == [None, "2", "4"]
    assert {query["labelSelector"] for query in fake.lists} == {labels.MODEL}
    assert fake.watches[0]["resourceVersion"] == "10"
    assert fake.watches[0]["allowWatchBookmarks"] == "true"
    assert fake.tokens == {"Bearer token-1"}


async def test_events_change_the_copy(tmp_path: Path) -> None:
    fake = FakeKube([controller_revision("a")])
    async with watching(fake, tmp_path) as watch:
        await fake.emit("ADDED", controller_revision("b", version="11"))
        await until(lambda: names(watch) == {A, B})
        await fake.emit("MODIFIED", controller_revision("a", intent=labels.DRAINING, version="12"))
        await until(lambda: (watch.desired or {})[A].intent == labels.DRAINING)
        await fake.emit("DELETED", controller_revision("a", version="13"))
        await until(lambda: names(watch) == {B})


async def test_a_large_event_is_read_whole(tmp_path: Path) -> None:
    fake = FakeKube()
    large = controller_revision("a", snapshot(files={"1/model.py": "x" * 128 * 1024}), version="11")
    async with watching(fake, tmp_path) as watch:
        await fake.emit("ADDED", large)
        await until(lambda: len(names(watch)) == 1)


async def test_a_watch_that_ended_resumes_where_a_bookmark_was(tmp_path: Path) -> None:
    fake = FakeKube()
    async with watching(fake, tmp_path):
        await fake.emit("BOOKMARK", BOOKMARK)
        await asyncio.sleep(0.05)
        fake.end_watches()
        await until(lambda: len(fake.watches) == 2)
    assert fake.watches[1]["resourceVersion"] == "77"
    assert len(fake.lists) == 1


async def test_gone_lists_again_and_forgets_what_was_deleted_unseen(tmp_path: Path) -> None:
    fake = FakeKube([controller_revision("a"), controller_revision("b")])
    async with watching(fake, tmp_path) as watch:
        await until(lambda: names(watch) == {A, B})
        fake.items = [controller_revision("b")]
        await fake.emit("ERROR", {"code": 410, "message": "too old"})
        await until(lambda: names(watch) == {B})
    assert len(fake.lists) == 2


async def test_what_is_known_stays_while_the_server_is_away(tmp_path: Path) -> None:
    fake = FakeKube([controller_revision("a")])
    async with watching(fake, tmp_path) as watch:
        await until(lambda: names(watch) == {A})
        await fake.emit("ERROR", {"code": 500, "message": "etcd is away"})
        await asyncio.sleep(0.1)
        assert names(watch) == {A}
    assert len(fake.lists) == 1


async def test_a_replaced_token_is_used(tmp_path: Path) -> None:
    fake = FakeKube()
    async with watching(fake, tmp_path):
        await until(lambda: fake.watches)
        (tmp_path / "account" / "token").write_text("token-2\n")
        fake.end_watches()
        await until(lambda: "Bearer token-2" in fake.tokens)
