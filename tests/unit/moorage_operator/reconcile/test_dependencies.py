"""Models that are built on other models of their tenant."""

from __future__ import annotations

from typing import Any

from moorage_crds import labels
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    condition,
    later,
    model,
    pass_once,
    source,
    status,
    steady,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

POD = "triton-a"
STEPS = {"steps": [{"model": "tokens", "inputs": {"T": "TEXT"}, "outputs": {"I": "IDS"}}]}


def ensemble(name: str = "chain", **spec: Any) -> dict[str, Any]:
    made = model(name, backend="ensemble", config=STEPS, **spec)
    del made["spec"]["source"]
    return made


def tokens(content: str = "one", **spec: Any) -> dict[str, Any]:
    return model("tokens", source=source(content), **spec)


def cluster_of(*models: dict[str, Any], python: str = "Enabled") -> FakeCluster:
    cluster = steady(inference={"pythonBackend": python})
    cluster.set_pods(POD)
    for each in models:
        cluster.add(each)
    pass_once(cluster)
    return cluster


def load_all(cluster: FakeCluster, at: float = 0, rounds: int = 4) -> None:
    """Let the pod's agent load whatever it is told to, and unload the rest, until nothing is left to do."""
    for _ in range(rounds):
        for name in {each["metadata"]["labels"][labels.MODEL] for each in cluster.world().revisions}:
            held = [hash_ for hash_, intent in told(cluster, name).items() if intent]
            cluster.report(name, POD, *((each, "Loaded", "") for each in held))
        pass_once(cluster, later(at))


def told(cluster: FakeCluster, name: str) -> dict[str, str | None]:
    return {
        each["metadata"]["name"][-8:]: each["metadata"].get("annotations", {}).get(labels.INTENT)
        for each in cluster.world().revisions
        if each["metadata"]["labels"][labels.MODEL] == name
    }


def stable(cluster: FakeCluster, name: str) -> str:
    return str(status(cluster, name=name)["stableRevision"])


def called(cluster: FakeCluster, name: str, revision: str) -> Any:
    return cluster.get("ControllerRevision", f"{name}-{revision}")["data"].get("dependencies")


def reason(cluster: FakeCluster, name: str, kind: str = "Ready") -> tuple[str, str]:
    found = condition(status(cluster, name=name), kind)
    return found["status"], found["reason"]


def test_a_model_waits_for_one_that_does_not_exist() -> None:
    cluster = cluster_of(ensemble())
    assert reason(cluster, "chain") == ("False", "DependencyMissing")
    assert reason(cluster, "chain", "Stalled")[0] == "False"
    assert status(cluster, name="chain")["modelStatus"]["transitionStatus"] == "InProgress"
    assert status(cluster, name="chain")["modelStatus"]["states"] == {"targetModelState": "Pending"}
    assert "tokens" in condition(status(cluster, name="chain"))["message"]
    assert told(cluster, "chain") == {}


def test_a_model_waits_for_one_that_does_not_serve_yet_and_then_follows_by_itself() -> None:
    cluster = cluster_of(ensemble(), tokens())
    assert reason(cluster, "chain") == ("False", "DependencyNotReady")
    load_all(cluster)
    assert reason(cluster, "chain") == ("True", "Loaded")
    assert called(cluster, "chain", stable(cluster, "chain")) == {"tokens": stable(cluster, "tokens")}


def test_a_model_that_calls_others_names_their_revisions() -> None:
    cluster = cluster_of(model("bls", dependsOn=["tokens"]), tokens())
    load_all(cluster)
    assert called(cluster, "bls", stable(cluster, "bls")) == {"tokens": stable(cluster, "tokens")}


def test_a_model_without_dependencies_names_none() -> None:
    cluster = cluster_of(tokens())
    load_all(cluster)
    assert called(cluster, "tokens", stable(cluster, "tokens")) is None


def test_an_update_makes_a_new_revision_and_holds_what_the_old_one_calls_until_it_is_gone() -> None:
    cluster = cluster_of(ensemble(), tokens())
    load_all(cluster)
    old, old_tokens = stable(cluster, "chain"), stable(cluster, "tokens")
    cluster.change_spec("ModelDeployment", "tokens", {"source": source("two")})
    load_all(cluster, at=60, rounds=3)
    new_tokens = stable(cluster, "tokens")
    assert (new_tokens != old_tokens, stable(cluster, "chain")) == (True, old)
    assert told(cluster, "tokens")[old_tokens] == labels.WANTED
    load_all(cluster, at=60)
    new = stable(cluster, "chain")
    assert called(cluster, "chain", new) == {"tokens": new_tokens}
    assert told(cluster, "chain")[old] == labels.DRAINING
    assert told(cluster, "tokens")[old_tokens] == labels.WANTED
    load_all(cluster, at=120)
    assert told(cluster, "chain") == {old: None, new: labels.WANTED}
    load_all(cluster, at=180)
    assert told(cluster, "tokens") == {old_tokens: None, new_tokens: labels.WANTED}
    assert pass_once(cluster, later(180)) == ()


def test_a_deleted_dependency_leaves_the_old_revision_serving() -> None:
    cluster = cluster_of(ensemble(), tokens())
    load_all(cluster)
    serving = stable(cluster, "chain")
    del cluster.objects["ModelDeployment", "tenant-acme", "tokens"]
    pass_once(cluster, NOW)
    assert reason(cluster, "chain") == ("False", "DependencyMissing")
    assert (stable(cluster, "chain"), told(cluster, "chain")) == (serving, {serving: labels.WANTED})


def test_models_that_depend_on_each_other_are_refused() -> None:
    cluster = cluster_of(model("a", dependsOn=["b"]), model("b", dependsOn=["c"]), model("c", dependsOn=["a"]))
    assert reason(cluster, "b") == ("False", "DependencyCycle")
    assert reason(cluster, "b", "Stalled")[0] == "True"
    assert condition(status(cluster, name="b"))["message"] == "The models depend on each other: b -> c -> a -> b."


def test_a_model_beside_a_circle_waits_for_it() -> None:
    cluster = cluster_of(model("a", dependsOn=["b"]), model("b", dependsOn=["b2"]), model("b2", dependsOn=["b"]))
    assert reason(cluster, "a") == ("False", "DependencyNotReady")


def test_what_is_built_on_code_is_unloaded_with_it() -> None:
    cluster = cluster_of(ensemble(), tokens(backend="python"))
    load_all(cluster)
    serving = stable(cluster, "chain")
    cluster.get("Tenant", "acme")["spec"]["inference"]["pythonBackend"] = "Disabled"
    pass_once(cluster)
    assert told(cluster, "chain") == {serving: None}
    assert set(told(cluster, "tokens").values()) == {None}
    assert reason(cluster, "chain") == ("False", "DependencyNotReady")


def test_a_dependency_that_is_never_held_twice_is_replaced_all_the_same() -> None:
    cluster = cluster_of(ensemble(), tokens(rollout={"strategy": "Recreate"}))
    load_all(cluster)
    old = stable(cluster, "tokens")
    cluster.change_spec("ModelDeployment", "tokens", {"source": source("two")})
    for at in (60, 120, 180, 240):
        load_all(cluster, at=at)
    new = stable(cluster, "tokens")
    assert told(cluster, "tokens") == {old: None, new: labels.WANTED}
    assert called(cluster, "chain", stable(cluster, "chain")) == {"tokens": new}
