from __future__ import annotations

import pytest

from moorage_operator.runtime import watched
from moorage_operator.runtime.store import Store
from tests.unit.moorage_operator.runtime.objects import Manifest, manifest, tenant


def slice_of(name: str, addresses: dict[str, bool | None], port: int = 6443) -> Manifest:
    endpoints = [
        {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}
        for address, ready in addresses.items()
    ]
    made = manifest(name, 1, namespace="default", kind="EndpointSlice", endpoints=endpoints, ports=[{"port": port}])
    return {**made, "apiVersion": "discovery.k8s.io/v1"}


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_world_holds_one_tenants_objects_and_no_others(store: Store) -> None:
    store.caches["Tenant"].observe(tenant("acme"))
    store.caches["Namespace"].observe(manifest("tenant-acme", 2, namespace="", kind="Namespace"))
    store.caches["Service"].observe(manifest("triton", 3))
    store.caches["Service"].observe(manifest("triton", 4, namespace="tenant-other"))
    store.caches["Secret"].observe(manifest("moorage-credentials", 5, kind="Secret", data={"k": "c2VjcmV0"}))
    store.caches["ModelDeployment"].observe(manifest("m", 6, kind="ModelDeployment"))
    store.caches["ControllerRevision"].observe(manifest("m-1", 7, kind="ControllerRevision"))
    store.caches["EndpointSlice"].observe(manifest("triton-x", 8, kind="EndpointSlice"))
    world = store.world("acme")
    assert world.tenant is not None
    assert world.namespace is not None
    assert set(world.children) == {("Service", "triton"), ("Secret", "moorage-credentials")}
    assert world.children["Secret", "moorage-credentials"]["data"] == {"k": "set"}
    assert [len(part) for part in (world.models, world.revisions, world.endpoint_slices)] == [1, 1, 1]


def test_a_tenant_nobody_knows_has_an_empty_world(store: Store) -> None:
    world = store.world("nobody")
    assert (world.tenant, world.namespace, world.children, world.models) == (None, None, {}, ())


def test_tenants_are_those_declared_and_those_with_models(store: Store) -> None:
    store.caches["Tenant"].observe(tenant("acme"))
    store.caches["ModelDeployment"].observe(manifest("m", 6, namespace="tenant-orphan", kind="ModelDeployment"))
    store.caches["Service"].observe(manifest("triton", 4, namespace="tenant-neither"))
    assert store.tenants() == {"acme", "orphan"}


def test_api_servers_are_ready_endpoints_sorted(store: Store) -> None:
    addresses = {"10.0.0.2": True, "10.0.0.1": None, "10.0.0.3": False}
    store.caches[watched.API_SERVER_SLICES.name].observe(slice_of("kubernetes", addresses))
    assert store.api_server() == (("10.0.0.1", 6443), ("10.0.0.2", 6443))


def test_the_api_servers_slice_is_not_mistaken_for_a_tenants(store: Store) -> None:
    change = store.caches[watched.API_SERVER_SLICES.name].observe(slice_of("kubernetes", {}))
    assert change is not None
    assert change.tenant == watched.EVERY_TENANT


def test_a_write_is_seen_in_the_next_world(store: Store) -> None:
    store.wrote(manifest("triton", 9))
    assert ("Service", "triton") in store.world("acme").children
    store.erased("Service", "tenant-acme", "triton", "u1")
    assert store.world("acme").children == {}


@pytest.mark.parametrize(("version", "expected"), [(5, True), (6, True), (7, False)])
def test_what_is_no_newer_than_the_last_event_of_its_kind_has_been_seen(
    store: Store, version: int, expected: bool
) -> None:
    store.caches["Tenant"].observe(manifest("acme", 6, namespace="", kind="Tenant"))
    assert store.has_seen("Tenant", version) is expected


def test_our_own_writes_are_not_taken_for_a_watch(store: Store) -> None:
    """Between our write and its event others' changes of lower versions may still come."""
    store.wrote(manifest("acme", 6, namespace="", kind="Tenant"))
    assert not store.has_seen("Tenant", 6)
