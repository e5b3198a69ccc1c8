"""Reports against a server that speaks apply."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from moorage_agent.metrics import Metrics
from moorage_agent.report import Entry, Pod, Reporter, manifest
from moorage_crds.modeldeployment import ReplicaRevision
from tests.unit.moorage_agent.fakekube import FakeKube, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

POD = Pod("triton-x", "uid-x", "tenant-acme")
LOADED: Entry = (ReplicaRevision(name="0a1b2c3d", state="Loaded"),)
FAILED: Entry = (ReplicaRevision(name="0a1b2c3d", state="LoadFailed", message="boom"),)
TIME = "2026-01-01T00:00:00Z"


@asynccontextmanager
async def reporting(fake: FakeKube, folder: Path) -> AsyncIterator[Reporter]:
    async with running(fake, folder) as kube:
        reporter = Reporter(POD, kube, lambda: TIME, Metrics())
        task = asyncio.create_task(reporter.run())
        yield reporter
        task.cancel()
        await asyncio.wait([task])


def test_an_entry_is_the_pods_own() -> None:
    assert manifest(POD, "a", FAILED, TIME) == {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "a", "namespace": "tenant-acme"},
        "status": {
            "replicas": [
                {
                    "pod": "triton-x",
                    "podUID": "uid-x",
                    "revisions": [{"name": "0a1b2c3d", "state": "LoadFailed", "message": "boom"}],
                    "lastChangeTime": TIME,
                }
            ]
        },
    }


def test_nothing_held_is_no_entry() -> None:
    assert manifest(POD, "a", (), TIME)["status"] == {}


async def test_each_model_is_applied_once_under_the_pods_own_manager(tmp_path: Path) -> None:
    fake = FakeKube()
    async with reporting(fake, tmp_path) as reporter:
        for _ in range(5):
            reporter.submit({"a": LOADED, "b": FAILED})
            await asyncio.sleep(0.01)
        await until(lambda: len(fake.patches) == 2)
        reporter.submit({"a": LOADED, "b": FAILED})
        await asyncio.sleep(0.4)
    assert [(model, manager) for model, manager, _ in fake.patches] == [
        ("a", "moorage-agent-triton-x"),
        ("b", "moorage-agent-triton-x"),
    ]


async def test_quick_changes_are_said_once(tmp_path: Path) -> None:
    fake = FakeKube()
    async with reporting(fake, tmp_path) as reporter:
        for entry in (LOADED, FAILED, LOADED, FAILED):
            reporter.submit({"a": entry})
        await until(lambda: fake.patches)
    assert len(fake.patches) == 1
    assert fake.patches[0][2]["status"]["replicas"][0]["revisions"][0]["state"] == "LoadFailed"


async def test_a_model_that_is_held_no_more_loses_its_entry(tmp_path: Path) -> None:
    fake = FakeKube()
    async with reporting(fake, tmp_path) as reporter:
        reporter.submit({"a": LOADED})
        await until(lambda: len(fake.patches) == 1)
        reporter.submit({})
        await until(lambda: len(fake.patches) == 2)
        reporter.submit({})
        await asyncio.sleep(0.4)
    assert [body["status"] for _, _, body in fake.patches][1:] == [{}]


async def test_a_refused_write_is_repeated_and_holds_up_no_other(tmp_path: Path) -> None:
    fake = FakeKube(answers=[403, 200, 500])
    async with reporting(fake, tmp_path) as reporter:
        reporter.submit({"a": LOADED, "b": LOADED})
        await until(lambda: len(fake.patches) == 1)
        assert fake.patches[0][0] == "b"
        await until(lambda: len(fake.patches) == 2, 8)
    assert fake.patches[1][0] == "a"


async def test_a_deleted_model_is_not_asked_for_again(tmp_path: Path) -> None:
    fake = FakeKube(answers=[404])
    async with reporting(fake, tmp_path) as reporter:
        reporter.submit({"a": LOADED})
        await until(lambda: not fake.answers)
        await asyncio.sleep(1.2)
    assert fake.patches == []


async def test_everything_is_said_again_on_demand_with_the_same_time(tmp_path: Path) -> None:
    fake = FakeKube()
    async with reporting(fake, tmp_path) as reporter:
        reporter.submit({"a": LOADED})
        await until(lambda: len(fake.patches) == 1)
        reporter.forget_sent()
        await until(lambda: len(fake.patches) == 2)
    assert fake.patches[0] == fake.patches[1]
