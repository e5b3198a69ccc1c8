"""What the gateway promises on the wire, with a real Triton behind it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from moorage_api.gateway import bodies
from moorage_crds import names, permissions
from tests.integration.gateway.conftest import ADD, DEAD, FAILING, MUTE, SLOW, SUBTRACT, TRITON, World
from tests.support.triton import INFERENCE_KEY

BODY = {
    "inputs": [
        {"name": "A", "datatype": "FP32", "shape": [1], "data": [5]},
        {"name": "B", "datatype": "FP32", "shape": [1], "data": [3]},
    ]
}
INFER = "v2/models/sum/infer"


async def ask(world: World, method: str = "POST", path: str = INFER, **more: Any) -> httpx.Response:
    """Send a request over the socket; httpx leaves paths as they are given."""
    options: dict[str, Any] = {"headers": world.key} | ({"json": BODY} if method == "POST" else {}) | more
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.request(method, f"http://{world.url}/{path}", **options)


async def test_every_answer_says_which_revision_and_replica_gave_it(world: World) -> None:
    answer = await ask(world)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"] == [8]
    assert answer.headers["moorage-model-revision"] == ADD
    assert answer.headers["moorage-served-by"] == 'sum;replica="triton-u1"'
    assert answer.headers["x-request-id"]


async def test_a_chunked_body_is_framed_anew(world: World) -> None:
    async def chunks() -> Any:
        for byte in httpx.Request("POST", "http://x", json=BODY).content:
            yield bytes([byte])

    answer = await ask(world, json=None, content=chunks())
    assert (answer.status_code, answer.json()["outputs"][0]["data"]) == (200, [8])


async def test_a_body_above_the_limit_is_refused(world: World) -> None:
    answer = await ask(world, json=None, content=b" " * (bodies.MAX_BODY + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("v2/models/sum%2finfer/infer", 400),
        ("v2/models/%2e%2e/infer", 400),
        ("v2/models/unknown/infer", 404),
        ("v2/repository/index", 404),
        (f"v2/models/sum--{ADD}/infer", 404),
    ],
)
async def test_paths_that_lead_nowhere(world: World, path: str, status: int) -> None:
    answer = await ask(world, path=path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error"] == answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [2]}, "Shape does not match"),
        ({"shape": [1, 1]}, "unexpected shape"),
        ({"datatype": "INT32"}, "data-type"),
    ],
    ids=["fewer numbers than the shape says", "another shape", "another type"],
)
async def test_a_wrong_tensor_gets_tritons_own_words(world: World, change: dict[str, Any], words: str) -> None:
    first, second = BODY["inputs"]
    answer = await ask(world, json={"inputs": [first | change, second]})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
    assert words in answer.json()["detail"]


async def test_another_method_is_refused(world: World) -> None:
    answer = await ask(world, "DELETE")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_foreign_tenant_reads_like_an_unknown_one(world: World) -> None:
    stranger = await world.api.user("mallory")
    session = await world.api.signed_in(stranger)
    answers = []
    for tenant in ("acme", "nobody"):
        url = f"http://127.0.0.1:{world.port}/api/v1/tenants/{tenant}/{INFER}"
        async with httpx.AsyncClient() as client:
            answers.append((await client.post(url, headers=session, json=BODY)).json())
    told = [{**each, "request_id": "", "detail": "", "error": ""} for each in answers]
    assert told[0] == told[1]
    assert told[0]["status"] == 404


async def test_a_key_without_the_right_to_infer_may_not(world: World) -> None:
    owner = await world.api.user("bob")
    await world.api.grant(owner, world.tenant, "user")
    key = await world.api.api_key(owner, world.tenant, permissions.MODELS_READ)
    assert (await ask(world, headers=key)).status_code == 403
    assert (await ask(world, "GET", "v2/models/sum", headers=key)).status_code == 200


async def test_a_model_without_a_ready_replica_is_unavailable(world: World) -> None:
    world.pods()
    answer = await ask(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "no-ready-replica")
    assert int(answer.headers["retry-after"]) >= 1


async def test_without_the_tenants_key_nothing_is_sent(world: World) -> None:
    world.inference_key(None)
    answer = await ask(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_while_keys_rotate_a_replica_is_reached_with_the_one_it_holds(world: World) -> None:
    for current, previous in (("not-yet-held", INFERENCE_KEY), (INFERENCE_KEY, "held-no-more")):
        world.inference_key(current, previous)
        answer = await ask(world)
        assert (answer.status_code, answer.json()["outputs"][0]["data"]) == (200, [8])


async def test_a_replica_that_refuses_both_keys_costs_one_try_and_another_is_asked(world: World) -> None:
    world.inference_key("current", "previous")
    assert (await ask(world)).json()["code"] == "no-ready-replica"
    world.inference_key("not-yet-held", INFERENCE_KEY)
    world.pods(u1=TRITON, u2=DEAD)
    world.model("u1", "u2", traffic={ADD: 100})
    assert {(await ask(world)).status_code for _ in range(8)} == {200}


async def test_a_replaced_key_is_refused_once_it_is_dropped(world: World) -> None:
    world.inference_key("held-by-new-pods")
    assert (await ask(world)).json()["code"] == "no-ready-replica"


async def test_a_replica_that_refuses_the_key_is_not_the_callers_fault(world: World) -> None:
    world.inference_key("of-another-tenant")
    assert (await ask(world)).status_code == 503


async def test_another_replica_answers_for_one_that_does_not_listen(world: World) -> None:
    world.pods(u1=TRITON, u2=DEAD)
    world.model("u1", "u2", traffic={ADD: 100})
    answers = [await ask(world) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 8


async def test_another_replica_answers_for_one_that_lost_the_revision(world: World) -> None:
    world.model("u1", traffic={"eeeeeeee": 100})
    answer = await ask(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "no-ready-replica")


async def test_a_replica_where_nobody_listens_is_unavailable(world: World) -> None:
    world.pods(u2=DEAD)
    world.model("u2", traffic={ADD: 100})
    assert (await ask(world)).status_code == 503


@pytest.mark.parametrize("revision", [SLOW])
async def test_a_model_that_is_too_slow_times_out(world: World, revision: str) -> None:
    world.model("u1", traffic={revision: 100})
    answer = await ask(world)
    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")


async def test_a_replica_that_says_nothing_times_out_and_is_not_asked_twice(world: World) -> None:
    world.pods(u1=TRITON, u3=MUTE)
    world.model("u3", traffic={ADD: 100})
    assert (await ask(world)).status_code == 504


async def test_traffic_is_split_by_weight(world: World) -> None:
    world.model("u1", traffic={ADD: 50, SUBTRACT: 50})
    answers = [(await ask(world)).headers["moorage-model-revision"] for _ in range(30)]
    assert set(answers) == {ADD, SUBTRACT}


async def test_a_compressed_answer_carries_the_public_name(world: World) -> None:
    answer = await ask(world, headers=world.key | {"Accept-Encoding": "gzip"})
    assert answer.json()["model_name"] == "sum"


async def test_what_is_under_way_ends_before_the_gateway_closes(world: World) -> None:
    gateway = world.api.app.state.gateway
    world.model("u1", traffic={ADD: 100})
    asked = asyncio.create_task(ask(world, json=None, content=_slowly(world)))
    await asyncio.sleep(0.1)
    closing = asyncio.create_task(gateway.close(patience=10))
    assert (await asked).status_code in {200, 503}
    await closing
    late = await ask(world)
    assert (late.status_code, late.json()["code"]) == (503, "draining")


async def _slowly(_: World) -> Any:
    yield httpx.Request("POST", "http://x", json=BODY).content
    await asyncio.sleep(0.3)


async def test_a_tenant_that_asks_too_often_is_told_when_to_come_back(world: World) -> None:
    limit(world, requestsPerSecond=1, burst=2)
    answers = await asyncio.gather(*(ask(world) for _ in range(20)))
    refused = [each for each in answers if each.status_code == 429]
    assert {each.status_code for each in answers} == {200, 429}
    assert {(each.json()["code"], each.headers["retry-after"]) for each in refused} == {("rate-limited", "1")}
    limit(world)
    assert (await ask(world)).status_code == 200


async def test_a_tenant_with_too_much_in_flight_is_refused_until_something_ends(world: World) -> None:
    limit(world, concurrentRequests=1)
    world.pods(u1=MUTE)
    answers = await asyncio.gather(*(ask(world) for _ in range(3)))
    codes = sorted((each.status_code, each.json()["code"]) for each in answers)
    assert codes == [(429, "concurrency-limited"), (429, "concurrency-limited"), (504, "timeout")]
    world.pods(u1=TRITON)
    assert (await ask(world)).status_code == 200


def limit(world: World, **quota: int) -> None:
    """Change the tenant's quota."""
    metadata = world.tenant["metadata"]
    metadata |= {"generation": metadata["generation"] + 1, "resourceVersion": str(metadata["generation"] + 1)}
    world.api.services.cache.observe("Tenant", {**world.tenant, "spec": {"quota": quota}})


async def test_what_each_revision_answered_is_counted(world: World, registry: CollectorRegistry) -> None:
    wrong = {"inputs": [{**BODY["inputs"][0], "shape": [2]}, BODY["inputs"][1]]}
    world.model("u1", traffic={FAILING: 100})
    assert (await ask(world)).status_code == 502
    world.model("u1", traffic={SLOW: 100})
    assert (await ask(world)).status_code == 504
    world.model("u1", traffic={ADD: 100})
    assert (await ask(world)).status_code == 200
    assert (await ask(world, json=wrong)).status_code == 400
    assert (await ask(world, "GET", "v2/models/sum")).status_code == 200
    world.pods(u2=DEAD)
    world.model("u2", traffic={ADD: 100})
    assert (await ask(world)).status_code == 503

    def counted(name: str, revision: str) -> float | None:
        labels = {"tenant": "acme", "model": "sum", "revision": revision}
        return registry.get_sample_value(f"{name}_total", labels)

    assert [counted(names.REVISION_REQUESTS, each) for each in (ADD, FAILING, SLOW)] == [2, 1, 1]
    assert [counted(names.REVISION_ERRORS, each) for each in (ADD, FAILING, SLOW)] == [None, 1, 1]


async def test_a_canary_that_its_replica_lost_leaves_the_request_to_the_stable_revision(world: World) -> None:
    world.model("u1", traffic={ADD: 1, "eeeeeeee": 99})
    for _ in range(20):
        answer = await ask(world)
        assert (answer.status_code, answer.headers["moorage-model-revision"]) == (200, ADD)
