"""Users of a vector store, made and removed by the operator's own code in a real Weaviate."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import names
from moorage_operator.runtime.clock import SystemClock
from moorage_operator.runtime.storeusers import AT_ONCE, StoreError, Stores
from tests.support import weaviate
from tests.support.users import NAMESPACE, stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.weaviate import WeaviateServer

ROOT = "root-key-of-the-tests"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    with weaviate.running(tmp_path_factory.mktemp("weaviate"), ROOT) as running:
        yield running


@pytest.fixture
async def talk(server: WeaviateServer) -> AsyncIterator[Stores]:
    async with stores(server) as made:
        yield made


def ask(server: WeaviateServer, key: str, path: str = "/v1/schema", body: Any = None) -> int:
    """Return the status of one request under a key."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}", data=content, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_a_new_user_may_do_what_the_api_does(server: WeaviateServer, talk: Stores) -> None:
    key = await talk.make(NAMESPACE, ROOT, names.store_user(0))
    assert ask(server, key, "/v1/schema", {"class": "Made", "vectorizer": "none"}) == 200
    for path in ("/v1/schema/Made", "/v1/objects?class=Made", "/v1/nodes", "/v1/nodes?output=verbose", "/v1/meta"):
        assert ask(server, key, path) == 200


async def test_a_user_can_make_no_other_user_nor_give_itself_a_role(server: WeaviateServer, talk: Stores) -> None:
    key = await talk.make(NAMESPACE, ROOT, names.store_user(0))
    assert ask(server, key, "/v1/users/db/mine", {}) == 403
    assert (
        ask(server, key, f"/v1/authz/users/{names.store_user(0)}/assign", {"roles": ["admin"], "userType": "db"}) == 403
    )
    assert ask(server, key, "/v1/authz/roles", {"name": "mine", "permissions": [{"action": "read_cluster"}]}) == 403


async def test_a_user_that_is_there_gets_another_key_and_the_old_one_is_refused(
    server: WeaviateServer, talk: Stores
) -> None:
    first = await talk.make(NAMESPACE, ROOT, names.store_user(1))
    second = await talk.make(NAMESPACE, ROOT, names.store_user(1))
    assert (ask(server, first), ask(server, second)) == (401, 200)


async def test_two_users_are_taken_until_one_of_them_goes(server: WeaviateServer, talk: Stores) -> None:
    old = await talk.make(NAMESPACE, ROOT, names.store_user(2))
    new = await talk.make(NAMESPACE, ROOT, names.store_user(3))
    assert (ask(server, old), ask(server, new)) == (200, 200)
    for _ in range(2):
        await talk.keep_only(NAMESPACE, ROOT, names.store_user(3))
        assert (ask(server, old), ask(server, new), ask(server, ROOT)) == (401, 200, 200)


async def test_a_refused_root_key_is_a_failure_that_tells_no_key(talk: Stores) -> None:
    with pytest.raises(StoreError, match="401") as caught:
        await talk.make(NAMESPACE, "hush-hush", names.store_user(4))
    assert "hush" not in str(caught.value)


async def test_a_store_that_does_not_listen_is_a_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Stores(SystemClock(), lambda _: f"http://127.0.0.1:{unused.getsockname()[1]}") as talk:
            for _ in range(AT_ONCE + 1):
                with pytest.raises(StoreError, match="ClientConnectorError"):
                    await talk.make(NAMESPACE, ROOT, names.store_user(0))


def test_users_outlive_a_restart_and_a_new_root_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def make(running: WeaviateServer, root: str, user: str) -> str:
        async with stores(running) as talk:
            return await talk.make(NAMESPACE, root, user)

    folder = tmp_path_factory.mktemp("restarted")
    with weaviate.running(folder, "first-root") as running:
        key = asyncio.run(make(running, "first-root", names.store_user(0)))
    with weaviate.running(folder, "second-root") as running:
        assert ask(running, key) == 200
        assert ask(running, "first-root") == 401
        assert ask(running, asyncio.run(make(running, "second-root", names.store_user(1)))) == 200
