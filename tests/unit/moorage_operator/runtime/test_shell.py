from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import kopf

from moorage_crds import labels
from moorage_operator.handlers import shell
from moorage_operator.metrics import Metrics, Observed
from moorage_operator.runtime.clock import rfc3339, rfc3339_micro


def test_kopf_is_given_a_finalizer_that_no_object_carries() -> None:
    """Kopf takes its own finalizer away wherever it finds it unneeded; ours must never be taken for it."""
    settings = kopf.OperatorSettings()
    shell.configure(settings)
    assert settings.persistence.finalizer != labels.FINALIZER


def test_kopf_writes_scans_and_posts_nothing() -> None:
    settings = kopf.OperatorSettings()
    shell.configure(settings)
    body = kopf.Body({"metadata": {"name": "acme"}})
    assert (settings.posting.enabled, settings.scanning.disabled) == (False, True)
    assert settings.persistence.progress_storage.fetch(key=kopf.HandlerId("x"), body=body) is None
    assert settings.persistence.diffbase_storage.fetch(body=body) is None
    assert (settings.networking.request_timeout, settings.networking.connect_timeout) == (30, 5)


def test_kopf_keeps_neither_whole_lists_nor_idle_objects() -> None:
    """By default a list comes in one piece, and each object told of keeps a task and its body for five seconds."""
    settings = kopf.OperatorSettings()
    shell.configure(settings)
    assert (settings.watching.chunk_size, settings.queueing.idle_timeout) == (100, 0.1)


async def test_what_kopf_leaves_behind_is_ended_and_nothing_else() -> None:
    names = ("pause-waiter for tenants.v1alpha1.moorage.dev", "informer Tenant")
    left, ours = (asyncio.create_task(asyncio.Event().wait(), name=name) for name in names)
    shell.end_waiters()
    await asyncio.wait({left, ours}, return_when=asyncio.FIRST_COMPLETED)
    assert (left.cancelled(), ours.done()) == (True, False)
    ours.cancel()


def test_values_are_read_when_they_are_asked_for() -> None:
    metrics, depth = Metrics(), [3]
    metrics.expose(
        Observed(
            depth=lambda: depth[0],
            delayed=lambda: 0,
            is_leader=lambda: True,
            informer_ages=lambda: {"Tenant": 1.5},
            tenants=lambda: 7,
            upgrades_queued=lambda: 2,
        )
    )
    depth[0] = 4
    read = metrics.registry.get_sample_value
    assert (read("moorage_operator_queue_depth"), read("moorage_operator_leader")) == (4, 1)
    assert read("moorage_operator_informer_age_seconds", {"kind": "Tenant"}) == 1.5


def test_times_are_written_as_kubernetes_writes_them() -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    assert (rfc3339(moment), rfc3339_micro(moment)) == ("2030-01-02T03:04:05Z", "2030-01-02T03:04:05.000678Z")
