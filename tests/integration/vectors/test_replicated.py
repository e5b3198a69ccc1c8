"""A store of three pods: real Weaviates that vote as the StatefulSet tells them to, and one of them fails."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient

from moorage_api.auth.authenticator import Authenticator
from moorage_api.gateway.proxy import Proxy
from moorage_api.gateway.service import Gateway
from moorage_api.kube.cache import ClusterCache
from moorage_api.vectors.backends.weaviate.pool import Address, Pool
from moorage_api.vectors.service import Vectors
from moorage_api.vectors.store_secrets import StoreSecrets
from moorage_crds.errors import MoorageError
from moorage_crds.tenant import parse_spec
from moorage_operator.reconcile.desired import desired
from tests.integration.vectors.conftest import Nobody, Shop, add_tenant
from tests.support import weaviate
from tests.support.api import KEYRING, TurnedClock, tenant
from tests.support.ports import free_ports
from tests.unit.moorage_operator.reconcile.builders import SETTINGS, steady

KEY = "replicated-key"
BEFORE = {f"before-{number}" for number in range(30)}
"""Enough that each of the three holds some: without copies a third of them would be gone."""
FIXED = ("RAFT_BOOTSTRAP_EXPECT", "REPLICATION_MINIMUM_FACTOR")
"""What the StatefulSet says and holds on loopback too; names and ports differ there."""


@dataclass(frozen=True)
class Node:
    process: subprocess.Popen[bytes]
    http: int
    grpc: int


def told() -> dict[str, str]:
    """Return what the pods of a store of three are told."""
    asked = {"vectorStore": {"replicas": 3}, "quota": {"cpu": "16", "memory": "32Gi"}}
    wanted = desired(steady(**asked).world(), parse_spec({"spec": asked}), SETTINGS)
    (found,) = [one for one in wanted if one["kind"] == "StatefulSet"]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"] if one["name"] in FIXED}


@contextmanager
def three(folder: Path) -> Iterator[list[Node]]:
    """Run three Weaviates on loopback that know each other."""
    # Weaviate expects a node's data port, and its inner one, one above the port that it announces.
    bases = _pairs(6)
    gossip, raft = bases[:3], bases[3:]
    join = ",".join(f"weaviate-{number}:{port}" for number, port in enumerate(raft))
    with ExitStack() as stack:
        nodes = []
        for number in range(3):
            here = folder / str(number)
            here.mkdir()
            http, grpc = free_ports(2)
            environment = weaviate._environment(here, KEY) | told() | {
                "CLUSTER_HOSTNAME": f"weaviate-{number}",
                "CLUSTER_IN_LOCALHOST": "true",
                "CLUSTER_JOIN": f"127.0.0.1:{gossip[0]}",
                "CLUSTER_GOSSIP_BIND_PORT": str(gossip[number]),
                "CLUSTER_DATA_BIND_PORT": str(gossip[number] + 1),
                "RAFT_PORT": str(raft[number]),
                "RAFT_INTERNAL_RPC_PORT": str(raft[number] + 1),
                "RAFT_JOIN": join,
                "GRPC_PORT": str(grpc),
            }  # fmt: skip
            argv = [str(weaviate._binary()), "--host=127.0.0.1", f"--port={http}", "--scheme=http"]
            output = stack.enter_context((here / "weaviate.log").open("wb"))
            process = subprocess.Popen(argv, env=environment, cwd=here, stdout=output, stderr=subprocess.STDOUT)
            stack.callback(_stop, process)
            nodes.append(Node(process, http, grpc))
        for number, node in enumerate(nodes):
            weaviate._wait(node.process, node.http, folder / str(number) / "weaviate.log")
        yield nodes


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(10)


def _pairs(count: int) -> list[int]:
    """Return ports whose next one is free too."""
    found: list[int] = []
    while len(found) < count:
        for port in free_ports(20):
            if all(abs(port - other) > 1 for other in found) and len(found) < count:
                found.append(port)
    return found


@asynccontextmanager
async def shop_at(node: Node, acme: dict[str, Any]) -> AsyncIterator[Shop]:
    """A tenant whose store is reached through one of the nodes."""
    async with ApiClient() as api:
        cache = ClusterCache(api)
        add_tenant(cache, "acme", KEY)
        authenticator = Authenticator(Nobody(), KEYRING.jwt_key, KEYRING.pepper, TurnedClock())
        pool = Pool(lambda _: Address("127.0.0.1", node.http, node.grpc))
        secrets = StoreSecrets(api, TurnedClock())
        feature = Vectors(cache, Gateway(cache, Proxy(), authenticator), pool, secrets)
        yield Shop(feature, acme)
        await feature.close()


@pytest.mark.timeout(300)
async def test_one_of_three_pods_may_fail_and_nothing_is_lost(tmp_path: Path) -> None:
    acme = tenant()
    with three(tmp_path) as nodes:
        async with shop_at(nodes[1], acme) as shop:
            await shop.make()
            await shop.put(*({"id": each} for each in BEFORE))
        nodes[0].process.kill()
        nodes[0].process.wait(10)
        for node in nodes[1:]:
            async with shop_at(node, acme) as shop:
                assert {hit.found.id for hit in await _patiently(shop.find)} == BEFORE
        async with shop_at(nodes[2], acme) as shop:
            await _patiently(lambda: shop.put({"id": "after"}))
        async with shop_at(nodes[1], acme) as shop:
            assert {hit.found.id for hit in await _patiently(shop.find)} == {*BEFORE, "after"}


async def _patiently(ask: Callable[[], Awaitable[Any]], seconds: float = 120) -> Any:
    """Ask until the others have noticed that one of them is gone."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except MoorageError:
            if time.monotonic() > deadline:
                raise
