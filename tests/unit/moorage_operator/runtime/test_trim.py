from __future__ import annotations

from moorage_crds import names
from moorage_operator.runtime import trim
from tests.unit.moorage_operator.runtime.objects import manifest


def test_only_our_own_bookkeeping_is_kept() -> None:
    ours = {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    one = manifest("triton", 1)
    one["metadata"]["managedFields"] = [{**ours, "time": "now"}, {"manager": "kubectl", "fieldsV1": {}}]
    assert trim.plain(one)["metadata"]["managedFields"] == [ours]


def test_who_scaled_is_kept() -> None:
    scaled = {"manager": "kube-controller-manager", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    one = manifest("triton", 1)
    one["metadata"]["managedFields"] = [{**scaled, "time": "now"}, {"manager": "x", "subresource": "status"}]
    assert trim.plain(one)["metadata"]["managedFields"] == [scaled]


def test_of_an_autoscaler_no_figures_are_kept() -> None:
    told = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"}
    one = manifest("triton", 1, kind="HorizontalPodAutoscaler", spec={"maxReplicas": 3})
    one["status"] = {"currentMetrics": [{}], "conditions": [{**told, "lastTransitionTime": "now"}]}
    kept = trim.autoscaler(one)
    assert (kept["spec"], kept["status"]) == ({"maxReplicas": 3}, {"conditions": [told]})


def test_kubectls_copy_goes_and_other_annotations_stay() -> None:
    one = manifest("triton", 1)
    one["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "yes"}
    assert trim.plain(one)["metadata"]["annotations"] == {"mine": "yes"}


def test_of_a_secret_only_the_names_of_its_keys_are_kept() -> None:
    one = manifest("moorage-credentials", 1, kind="Secret", data={"full": "c2VjcmV0", "empty": ""}, type="Opaque")
    kept = trim.secret(one)
    assert kept["data"] == {"full": "set", "empty": ""}
    assert "c2VjcmV0" not in repr(kept)


def test_a_secret_without_keys_is_kept_as_one() -> None:
    assert trim.secret(manifest("moorage-credentials", 1, kind="Secret"))["data"] == {}


def test_of_a_namespace_metadata_and_phase_are_kept() -> None:
    one = manifest("tenant-acme", 1, namespace="", kind="Namespace", spec={"finalizers": ["kubernetes"]})
    one["status"] = {"phase": "Terminating", "conditions": [{"type": "x"}]}
    assert {key: value for key, value in trim.metadata_and_phase(one).items() if key in ("spec", "status")} == {
        "status": {"phase": "Terminating"}
    }
