"""What a user does on the first day, on real parts: apply, infer, break things, delete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mainjob.kubectl import CommandError
from tests.e2e.conftest import Moorage, eventually
from tests.support.e2e import infer_body, model, tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

ROOT = Path(__file__).resolve().parents[2]
GLOBEX = "globex"
NAMESPACE = f"tenant-{GLOBEX}"


@pytest.fixture(scope="module")
def globex(moorage: Moorage, admin: httpx.Client) -> Iterator[str]:
    """A second tenant beside acme, with one model that doubles its input."""
    moorage.apply(tenant(GLOBEX))
    moorage.kubectl.run("wait", f"tenant/{GLOBEX}", "--for=condition=IsolationReady", "--timeout=60s")
    moorage.apply(model(GLOBEX, "double"))
    _wait_served(moorage, admin, "double")
    yield GLOBEX
    moorage.kubectl.run("delete", "tenant", GLOBEX, "--ignore-not-found", "--timeout=120s")


def _wait_ready(moorage: Moorage, name: str, condition: str = "Ready") -> None:
    scope = ["--namespace", NAMESPACE, f"--for=condition={condition}", "--timeout=120s"]
    moorage.kubectl.run("wait", f"modeldeployment/{name}", *scope)


def _wait_served(moorage: Moorage, client: httpx.Client, name: str) -> None:
    """Wait until the model is Ready and the gateway, whose own watch may be a moment behind kubectl's, knows it."""
    _wait_ready(moorage, name)
    eventually(f"the gateway routes to {name}", lambda: _infer(client, GLOBEX, name).status_code != 503, patience=10)


def _infer(client: httpx.Client, tenant_name: str, name: str, **body: Any) -> httpx.Response:
    return client.post(f"/tenants/{tenant_name}/v2/models/{name}/infer", json=body or infer_body(1, 2, 3, 4))


def _outputs(client: httpx.Client, name: str) -> list[float]:
    answer = _infer(client, GLOBEX, name)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["outputs"][0]["data"])


def _answers(client: httpx.Client, name: str = "double", expected: tuple[float, ...] = (2, 4, 6, 8)) -> bool:
    answer = _infer(client, GLOBEX, name)
    return answer.status_code == 200 and tuple(answer.json()["outputs"][0]["data"]) == expected


def _conditions(moorage: Moorage, *args: str) -> dict[str, dict[str, Any]]:
    found = moorage.kubectl.get(*args).get("status", {}).get("conditions", [])
    return {one["type"]: one for one in found}


def test_the_examples_work_again_on_a_second_run(moorage: Moorage) -> None:
    program = [sys.executable, str(ROOT / "examples" / "quickstart.py")]
    arguments = ["--url", moorage.url, "--tenant", "acme", "--key-file", str(moorage.key_file)]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unmodified_tritonclient_works(moorage: Moorage) -> None:
    program = [sys.executable, str(ROOT / "examples" / "tritonclient_digits.py")]
    arguments = ["--url", moorage.url, "--tenant", "acme", "--key-file", str(moorage.key_file)]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_tenant_answers(admin: httpx.Client, globex: str) -> None:
    answer = _infer(admin, globex, "double")
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"] == [2, 4, 6, 8]
    assert answer.json()["model_name"] == "double"
    assert answer.headers["Moorage-Model-Revision"]
    assert answer.headers["Moorage-Served-By"]


@pytest.mark.usefixtures("globex")
def test_refusals_say_no_more_than_they_must(moorage: Moorage, developer: httpx.Client) -> None:
    with moorage.client(None) as anonymous:
        assert _infer(anonymous, "acme", "digits").status_code == 401
    assert _infer(developer, "acme", "nothing").status_code == 404
    foreign, unknown = _infer(developer, GLOBEX, "double"), _infer(developer, "nobody", "double")
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["title"] == unknown.json()["title"]
    assert foreign.json()["detail"].replace(GLOBEX, "T") == unknown.json()["detail"].replace("nobody", "T")


@pytest.mark.parametrize(
    "body",
    [infer_body(1, 2, 3), infer_body(1, 2, 3, 4, shape=[5]), infer_body(1, 2, 3, 4, datatype="INT32"), {"inputs": []}],
    ids=["too few", "another shape", "another type", "no input"],
)
def test_a_wrong_tensor_gets_tritons_own_words(admin: httpx.Client, globex: str, body: dict[str, Any]) -> None:
    answer = _infer(admin, globex, "double", **body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


@pytest.mark.usefixtures("globex")
def test_a_bad_model_costs_the_others_nothing(moorage: Moorage, admin: httpx.Client) -> None:
    moorage.apply(model(GLOBEX, "bad", code="this is no Python"))
    _wait_ready(moorage, "bad", condition="Stalled")
    ready = _conditions(moorage, "modeldeployment", "bad", "--namespace", NAMESPACE)["Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "CodeFailed")
    assert "SyntaxError" in ready["message"]
    assert _outputs(admin, "double") == [2, 4, 6, 8]
    moorage.apply(model(GLOBEX, "bad", factor=3))
    _wait_served(moorage, admin, "bad")
    assert _outputs(admin, "bad") == [3, 6, 9, 12]
    moorage.kubectl.run("delete", "modeldeployment", "bad", "--namespace", NAMESPACE)
    eventually("the deleted model is gone", lambda: _infer(admin, GLOBEX, "bad").status_code == 404)


@pytest.mark.usefixtures("globex")
def test_an_update_serves_the_new_revision(moorage: Moorage, admin: httpx.Client) -> None:
    moorage.apply(model(GLOBEX, "changing", factor=2))
    _wait_served(moorage, admin, "changing")
    before = _infer(admin, GLOBEX, "changing").headers["Moorage-Model-Revision"]
    moorage.apply(model(GLOBEX, "changing", factor=5))
    eventually("the new revision answers", lambda: _answers(admin, "changing", (5, 10, 15, 20)))
    assert _infer(admin, GLOBEX, "changing").headers["Moorage-Model-Revision"] != before


@pytest.mark.usefixtures("globex")
def test_a_killed_triton_answers_again_by_itself(moorage: Moorage, admin: httpx.Client) -> None:
    [pod] = moorage.kubectl.get("pods", "--namespace", NAMESPACE, "--selector=moorage.dev/component=triton")["items"]
    restarts = _restarts(moorage)
    inside = ["exec", pod["metadata"]["name"], "--namespace", NAMESPACE, "--container", "triton", "--"]
    moorage.kubectl.run(*inside, "python3", "-c", "import os; os.kill(1, 15)")
    eventually("the container was restarted", lambda: _restarts(moorage) > restarts)
    eventually("the model answers again", lambda: _answers(admin))


def _restarts(moorage: Moorage) -> int:
    [pod] = moorage.kubectl.get("pods", "--namespace", NAMESPACE, "--selector=moorage.dev/component=triton")["items"]
    return int(next(one["restartCount"] for one in pod["status"]["containerStatuses"] if one["name"] == "triton"))


@pytest.mark.usefixtures("globex")
def test_a_network_policy_edited_by_hand_is_put_back(moorage: Moorage) -> None:
    scope = ["networkpolicy", "default-deny", "--namespace", NAMESPACE]
    before = moorage.kubectl.get(*scope)["spec"]
    open_all = '{"spec":{"ingress":[{}],"egress":[{}]}}'
    moorage.kubectl.run("patch", *scope, "--type=merge", f"--patch={open_all}")
    eventually("the policy is put back", lambda: moorage.kubectl.get(*scope)["spec"] == before, patience=20)
    moorage.kubectl.run("delete", *scope)
    eventually("the policy is made again", lambda: moorage.kubectl.get(*scope)["spec"] == before, patience=20)


def _versions(moorage: Moorage) -> dict[tuple[str, str, str], str]:
    kinds = (
        "tenants,modeldeployments,resourcequotas,limitranges,networkpolicies,serviceaccounts,rolebindings,"
        "secrets,deployments,statefulsets,services,poddisruptionbudgets,controllerrevisions,horizontalpodautoscalers"
    )
    found = moorage.kubectl.get(kinds, "--all-namespaces")["items"]
    ours = [one for one in found if one["metadata"].get("namespace", "tenant-").startswith("tenant-")]
    return {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["metadata"]["resourceVersion"]
        for one in ours
    }


def _is_settled(moorage: Moorage) -> bool:
    """Tell whether every replica holds exactly what its model's traffic names: nothing loads, drains or unloads."""
    statuses = [one["status"] for one in moorage.kubectl.get("modeldeployments", "--all-namespaces")["items"]]
    return all(entry == _serving(status) for status in statuses for entry in map(_held, status["replicas"]))


def _are_available(moorage: Moorage) -> bool:
    """Tell whether no Deployment waits for a pod's first seconds, after which its controller writes once more."""
    found = moorage.kubectl.get("deployments", "--all-namespaces")["items"]
    return all(one["status"].get("availableReplicas", 0) == one["spec"]["replicas"] for one in found)


def _serving(status: dict[str, Any]) -> set[tuple[str, str]]:
    return {(share["revision"], "Loaded") for share in status.get("traffic", ())}


def _held(entry: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["name"], each["state"]) for each in entry["revisions"]}


@pytest.mark.usefixtures("globex")
def test_a_restarted_operator_writes_nothing(moorage: Moorage) -> None:
    eventually("every model is settled", lambda: _is_settled(moorage), patience=90)
    eventually("every pod has been ready for long enough", lambda: _are_available(moorage))
    before = _versions(moorage)
    scope = ["deployment/moorage-operator", "--namespace", "moorage-system"]
    moorage.kubectl.run("rollout", "restart", *scope)
    moorage.kubectl.run("rollout", "status", *scope, "--timeout=120s")
    holder = ["lease", "moorage-operator", "--namespace", "moorage-system"]
    pods = moorage.kubectl.get("pods", "--namespace", "moorage-system")["items"]
    names = {one["metadata"]["name"] for one in pods if "deletionTimestamp" not in one["metadata"]}
    eventually("a new operator leads", lambda: moorage.kubectl.get(*holder)["spec"]["holderIdentity"] in names)
    scope_policy = ["networkpolicy", "default-deny", "--namespace", NAMESPACE]
    moorage.kubectl.run("delete", *scope_policy)
    eventually("the new operator has worked", lambda: moorage.exists(*scope_policy))
    repaired = ("NetworkPolicy", NAMESPACE, "default-deny")
    after = _versions(moorage)
    assert {key: value for key, value in after.items() if key != repaired} == {
        key: value for key, value in before.items() if key != repaired
    }


def test_a_foreign_namespace_is_left_alone(moorage: Moorage) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-foreign"}}
    moorage.apply(namespace)
    before = moorage.kubectl.get("namespace", "tenant-foreign")["metadata"]["resourceVersion"]
    moorage.apply(tenant("foreign"))
    moorage.kubectl.run("wait", "tenant/foreign", "--for=condition=Stalled", "--timeout=30s")
    assert _conditions(moorage, "tenant", "foreign")["Ready"]["reason"] == "NamespaceForeign"
    assert not moorage.exists("networkpolicies,secrets,deployments,rolebindings", "--namespace", "tenant-foreign")
    assert moorage.kubectl.get("namespace", "tenant-foreign")["metadata"]["resourceVersion"] == before
    moorage.kubectl.run("delete", "tenant", "foreign", "--timeout=60s")
    assert moorage.exists("namespace", "tenant-foreign")
    moorage.kubectl.run("delete", "namespace", "tenant-foreign", "--timeout=60s")


def _pod_address(moorage: Moorage, namespace: str, component: str) -> str:
    selector = f"--selector=moorage.dev/component={component}"
    [pod] = moorage.kubectl.get("pods", "--namespace", namespace, selector)["items"]
    return str(pod["status"]["podIP"])


_DIAL = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


def _can_reach(moorage: Moorage, source: str, address: str, port: int) -> bool:
    inside = ["exec", "--namespace", source, "deployment/triton", "--container", "triton", "--"]
    try:
        moorage.kubectl.run(*inside, "python3", "-c", _DIAL, address, str(port))
    except CommandError:
        return False
    return True


@pytest.mark.usefixtures("globex")
def test_one_tenants_pods_cannot_reach_anothers(moorage: Moorage) -> None:
    """The API's pod reaches the same addresses: a test of a closed door must show that there is a door."""
    triton, weaviate = (_pod_address(moorage, "tenant-acme", one) for one in ("triton", "weaviate"))
    targets = [(triton, 8000), (triton, 8001), (weaviate, 8080), (weaviate, 50051)]
    assert [one for one in targets if _can_reach(moorage, NAMESPACE, *one)] == []
    assert _control_connects(moorage, targets)


def _control_connects(moorage: Moorage, targets: list[tuple[str, int]]) -> bool:
    """Tell whether the API's pod, which the policies allow, reaches the same addresses."""
    inside = ["exec", "--namespace", "moorage-system", "deployment/moorage-api", "--", "python"]
    for address, port in targets:
        moorage.kubectl.run(*inside, "-c", _DIAL, address, str(port))
    return True


def test_a_deleted_namespace_is_rebuilt(moorage: Moorage, admin: httpx.Client, globex: str) -> None:
    uid = moorage.kubectl.get("namespace", NAMESPACE)["metadata"]["uid"]
    moorage.kubectl.run("delete", "namespace", NAMESPACE, "--timeout=120s")
    eventually(
        "the namespace is made again",
        lambda: moorage.kubectl.get("namespace", NAMESPACE)["metadata"]["uid"] != uid,
    )
    eventually(
        "the tenant is ready again",
        lambda: _conditions(moorage, "tenant", globex)["Ready"]["status"] == "True",
        patience=120,
    )
    moorage.apply(model(GLOBEX, "double"))
    eventually("the model answers again", lambda: _answers(admin), patience=120)


def test_a_deleted_tenant_leaves_nothing(moorage: Moorage, admin: httpx.Client) -> None:
    storage = {"size": "64Mi"}
    moorage.apply(tenant("shortlived", vectorStore={"backend": "Weaviate", "storage": storage}))
    moorage.kubectl.run("wait", "tenant/shortlived", "--for=condition=Ready", "--timeout=120s")
    moorage.kubectl.run("delete", "tenant", "shortlived", "--timeout=120s")
    assert not moorage.exists("namespace", "tenant-shortlived")
    assert not moorage.exists("tenant", "shortlived")
    assert admin.get("/tenants/shortlived").status_code == 404


def test_both_deleted_while_the_operator_was_down(moorage: Moorage) -> None:
    moorage.apply(tenant("vanishing"))
    moorage.kubectl.run("wait", "tenant/vanishing", "--for=condition=IsolationReady", "--timeout=60s")
    replicas = str(moorage.kubectl.get("deployment", "moorage-operator", "-n", "moorage-system")["spec"]["replicas"])
    scale = ["scale", "deployment/moorage-operator", "--namespace", "moorage-system"]
    moorage.kubectl.run(*scale, "--replicas=0")
    eventually("the operator is gone", lambda: not moorage.exists("pods", *_OPERATOR))
    moorage.kubectl.run("delete", "tenant/vanishing", "namespace/tenant-vanishing", "--wait=false")
    moorage.kubectl.run(*scale, f"--replicas={replicas}")
    eventually("the tenant is gone", lambda: not moorage.exists("tenant", "vanishing"), patience=90)
    eventually("its namespace is gone", lambda: not moorage.exists("namespace", "tenant-vanishing"))


_OPERATOR = ("--namespace", "moorage-system", "--selector=app.kubernetes.io/component=operator")
