"""The API server refuses what breaks a rule, naming field and rule, and takes what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import API_VERSION
from moorage_crds.modelconfig import RAW_MAX
from moorage_crds.modeldeployment import INLINE_BYTES_MAX

if TYPE_CHECKING:
    from tests.support.kube import Kube, Manifest

_INLINE = {"inline": {"files": {"1/model.py": "x"}}}
_STEP = {"model": "tokens", "inputs": {"T": "TEXT"}, "outputs": {"I": "IDS"}}
_X = {"name": "X", "dataType": "TYPE_FP32", "dims": [3]}
_HTTPS = {"uri": "https://models.example/m.tar.gz", "sha256": "0" * 64}
_S3 = {"uri": "s3://models/net"}

_PVC = {"uri": "pvc://models/net"}
_ELSEWHERE = "https://weaviate.example"


def _tenant(name: str = "acme", **spec: Any) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": name}, "spec": spec}


def _model(name: str = "m", **spec: Any) -> Manifest:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


def _elsewhere(endpoint: str = _ELSEWHERE, **external: Any) -> Manifest:
    return _tenant(vectorStore={"external": {"endpoint": endpoint, **external}})


REFUSED = {
    "a tenant's name of 41 characters": (_tenant("a" * 41), "at most 40 characters"),
    "a tenant's name with a dot": (_tenant("a.b"), "DNS label"),
    "an unknown field": (_tenant(nonsense=1), "nonsense"),
    "an unknown nested field": (_tenant(quota={"cpus": "1"}), "cpus"),
    "no quantity": (_tenant(quota={"cpu": "many"}), "spec.quota.cpu"),
    "no pods at all": (_tenant(quota={"pods": 0}), "spec.quota.pods"),
    "more GPUs than there are": (_tenant(quota={"gpu": -1}), "spec.quota.gpu"),
    "a GPU of no domain": (_tenant(inference={"gpu": {"resourceName": "gpu"}}), "resourceName"),
    "a device among requests": (
        _tenant(inference={"resources": {"requests": {"nvidia.com/gpu": "1"}}}),
        "spec.inference.gpu alone",
    ),
    "a device among the store's limits": (
        _tenant(vectorStore={"resources": {"limits": {"nvidia.com/gpu": "1"}}}),
        "spec.inference.gpu alone",
    ),
    "no request at all": (_tenant(quota={"requestsPerSecond": 0}), "spec.quota.requestsPerSecond"),
    "no burst": (_tenant(quota={"burst": 0}), "spec.quota.burst"),
    "nothing at a time": (_tenant(quota={"concurrentRequests": 0}), "spec.quota.concurrentRequests"),
    "two pods of a store": (_tenant(vectorStore={"replicas": 2}), "spec.vectorStore.replicas"),
    "a storage class that is no name": (
        _tenant(vectorStore={"storage": {"storageClassName": "No Name"}}),
        "spec.vectorStore.storage.storageClassName",
    ),
    "a runtime class that is no name": (_tenant(inference={"runtimeClassName": "No"}), "runtimeClassName"),
    "a namespace that is no name": (
        _tenant(network={"allowIngressFromNamespaces": ["*"]}),
        "allowIngressFromNamespaces",
    ),
    "a namespace twice": (_tenant(network={"allowIngressFromNamespaces": ["a", "a"]}), "uplicate"),
    "fewest above most": (_tenant(inference={"autoscaling": {"min": 3, "max": 2}}), "min must not exceed max"),
    "an autoscaler without a bound": (_tenant(inference={"autoscaling": {"min": 3}}), "max"),
    "a scaler of no class": (
        _tenant(inference={"autoscaling": {"class": "KEDA", "max": 2}}),
        'supported values: "HPA", "External"',
    ),
    "an unknown backend": (_tenant(vectorStore={"backend": "Oracle"}), "spec.vectorStore.backend"),
    "an external store of no backend": (
        _tenant(vectorStore={"backend": "None", "external": {"endpoint": _ELSEWHERE}}),
        "goes with backend Weaviate",
    ),
    "an external store that is nowhere": (_tenant(vectorStore={"external": {}}), "endpoint"),
    "an external store without TLS": (_elsewhere("http://weaviate.example"), "external.endpoint"),
    "an external store with a user": (_elsewhere("https://user@weaviate.example"), "external.endpoint"),
    "an external store with a path": (_elsewhere("https://weaviate.example/v1"), "external.endpoint"),
    "an external store with a query": (_elsewhere("https://weaviate.example?key=x"), "external.endpoint"),
    "an external store with a fragment": (_elsewhere("https://weaviate.example#x"), "external.endpoint"),
    "an external store on a port that is none": (_elsewhere("https://weaviate.example:65536"), "external.endpoint"),
    "gRPC without TLS": (_elsewhere(grpcEndpoint="grpc://weaviate.example"), "external.grpcEndpoint"),
    "gRPC with a user": (_elsewhere(grpcEndpoint="https://user@weaviate.example:1"), "external.grpcEndpoint"),
    "gRPC where HTTP is": (_elsewhere(grpcEndpoint=f"{_ELSEWHERE}:443"), "need a host or a port of their own"),
    "HTTP on the port of gRPC": (_elsewhere(f"{_ELSEWHERE}:50051"), "need a host or a port of their own"),
    "a store's Secret of Moorage's own": (
        _elsewhere(credentialsSecretRef={"name": "moorage-credentials"}),
        "one of Moorage's own",
    ),
    "a store's Secret of no name": (_elsewhere(credentialsSecretRef={"name": "../x"}), "credentialsSecretRef.name"),
    "an unknown role": (_tenant(members=[{"kind": "User", "name": "a", "role": "god"}]), "role"),
    "a system member": (_tenant(members=[{"kind": "User", "name": "system:admin", "role": "admin"}]), "name"),
    "a member twice": (
        _tenant(members=[{"kind": "User", "name": "a", "role": one} for one in ("admin", "user")]),
        "duplicate entries",
    ),
    "an egress mode of no kind": (_tenant(network={"egress": {"mode": "All"}}), "spec.network.egress.mode"),
    "a deletion policy of no kind": (_tenant(deletionPolicy="Orphan"), "spec.deletionPolicy"),
    "a rotation period that is none": (_tenant(credentials={"rotationPeriod": "daily"}), "rotationPeriod"),
    "a rotation period without a unit": (_tenant(credentials={"rotationPeriod": "90"}), "rotationPeriod"),
    "a rotation every hour": (_tenant(credentials={"rotationPeriod": "1h"}), "must be 0s or at least 24h"),
    "a rotation after centuries": (_tenant(credentials={"rotationPeriod": "99999999999h"}), "rotationPeriod"),
    "no source": (_model(), "spec.source must be set"),
    "an empty source": (_model(source={}), "exactly one of"),
    "two sources": (_model(source=_INLINE | _HTTPS), "exactly one of"),
    "an archive without sha256": (_model(source={"uri": _HTTPS["uri"]}), "sha256"),
    "a sha256 that is none": (_model(source=_HTTPS | {"sha256": "abc"}), "sha256"),
    "a plain http source": (_model(source=_HTTPS | {"uri": "http://models.example/m"}), "spec.source.uri"),
    "a Secret of an inline source": (
        _model(source=_INLINE | {"credentialsSecretRef": {"name": "mine"}}),
        "goes with an https:// or s3://",
    ),
    "a Secret of a claim": (_model(source=_PVC | {"credentialsSecretRef": {"name": "mine"}}), "goes with an https://"),
    "a claim without a path": (_model(source={"uri": "pvc://models"}), "spec.source.uri"),
    "a claim's name that is a path": (_model(source={"uri": "pvc://../models"}), "spec.source.uri"),
    "a claim twice": (_tenant(inference={"modelClaims": ["a", "a"]}), "duplicate entries"),
    "a claim that is a path": (_tenant(inference={"modelClaims": ["../a"]}), "modelClaims"),
    "a Secret's name that is none": (_model(source=_HTTPS | {"credentialsSecretRef": {"name": "../x"}}), "name"),
    "a sha256 of an inline source": (_model(source=_INLINE | {"sha256": "0" * 64}), "goes with spec.source.uri"),
    "a bucket of two letters": (_model(source={"uri": "s3://ab/key"}), "spec.source.uri"),
    "a bucket without a key": (_model(source={"uri": "s3://models/"}), "spec.source.uri"),
    "an S3 server of an https source": (_model(source=_HTTPS | {"s3": {"region": "eu"}}), "goes with an s3://"),
    "an S3 server of an inline source": (_model(source=_INLINE | {"s3": {"region": "eu"}}), "goes with an s3://"),
    "an S3 server without TLS": (_model(source=_S3 | {"s3": {"endpoint": "http://minio.example"}}), "endpoint"),
    "an S3 server with a path": (_model(source=_S3 | {"s3": {"endpoint": "https://minio.example/x"}}), "endpoint"),
    "an unknown addressing": (_model(source=_S3 | {"s3": {"addressing": "Dns"}}), "addressing"),
    "a path above the folder": (_model(source={"inline": {"files": {"../x": ""}}}), "inside the model's folder"),
    "an absolute path": (_model(source={"inline": {"files": {"/x": ""}}}), "inside the model's folder"),
    "a path with an empty part": (_model(source={"inline": {"files": {"1//x": ""}}}), "inside the model's folder"),
    "a path with a backslash": (_model(source={"inline": {"files": {"1\\x": ""}}}), "inside the model's folder"),
    "too much inline": (
        _model(source={"inline": {"files": {"a": "x" * INLINE_BYTES_MAX, "b": "x"}}}),
        "must not exceed",
    ),
    "a model's name with two dashes": (_model("a--b", source=_INLINE), "without '--'"),
    "a model's name of 55 characters": (_model("a" * 55, source=_INLINE), "at most 54"),
    "an unknown data type": (
        _model(source=_INLINE, config={"inputs": [{"name": "X", "dataType": "FLOAT", "dims": [1]}]}),
        "dataType",
    ),
    "a canary without a share": (_model(source=_INLINE, rollout={"canary": {"weight": 0}}), "canary.weight"),
    "a canary of everything": (_model(source=_INLINE, rollout={"canary": {"weight": 100}}), "canary.weight"),
    "a canary beside nothing": (
        _model(source=_INLINE, rollout={"strategy": "Recreate", "canary": {"weight": 10}}),
        "needs strategy Overlap",
    ),
    "a verdict without a canary": (_model(source=_INLINE, rollout={"autoPromote": {}}), "needs spec.rollout.canary"),
    "a trial of no length": (
        _model(source=_INLINE, rollout={"canary": {"weight": 10}, "autoPromote": {"after": "soon"}}),
        "autoPromote.after",
    ),
    "a verdict by nothing": (
        _model(source=_INLINE, rollout={"canary": {"weight": 10}, "autoPromote": {"minRequests": 0}}),
        "autoPromote.minRequests",
    ),
    "a pin that is no revision": (_model(source=_INLINE, rollout={"pin": "latest"}), "spec.rollout.pin"),
    "a decision of another kind": (
        _model(source=_INLINE, rollout={"decision": {"revision": "0" * 8, "action": "Perhaps"}}),
        "decision.action",
    ),
    "an unknown strategy": (_model(source=_INLINE, rollout={"strategy": "BlueGreen"}), "spec.rollout.strategy"),
    "two ways of scheduling": (
        _model(source=_INLINE, config={"dynamicBatching": {}, "sequenceBatching": {}}),
        "at most one of spec.config.dynamicBatching and spec.config.sequenceBatching",
    ),
    "a batch larger than the largest": (
        _model(source=_INLINE, config={"maxBatchSize": 4, "dynamicBatching": {"preferredBatchSizes": [8]}}),
        "must not exceed spec.config.maxBatchSize",
    ),
    "a delay without a unit": (
        _model(source=_INLINE, config={"dynamicBatching": {"maxQueueDelay": "100"}}),
        "spec.config.dynamicBatching.maxQueueDelay",
    ),
    "a group of GPUs on the CPU": (
        _model(source=_INLINE, config={"instanceGroups": [{"kind": "KIND_CPU", "gpus": [0]}]}),
        "go with KIND_GPU or KIND_AUTO",
    ),
    "an empty group": (_model(source=_INLINE, config={"instanceGroups": [{"count": 0}]}), "count"),
    "candidates of direct sequences": (
        _model(source=_INLINE, config={"sequenceBatching": {"maxCandidateSequences": 2}}),
        "go with strategy Oldest",
    ),
    "a sequence's start as a long number": (
        _model(
            source=_INLINE,
            config={
                "sequenceBatching": {
                    "controls": [{"name": "S", "kind": "CONTROL_SEQUENCE_START", "dataType": "TYPE_INT64"}]
                }
            },
        ),
        "must be TYPE_BOOL, TYPE_INT32 or TYPE_FP32",
    ),
    "the stamp as a parameter": (
        _model(source=_INLINE, config={"parameters": {"revision": "x"}}),
        "must not hold 'revision'",
    ),
    "a warm-up without inputs": (
        _model(source=_INLINE, config={"warmup": [{"name": "w", "inputs": []}]}),
        "spec.config.warmup[0].inputs",
    ),
    "a warm-up of a batch that is too large": (
        _model(source=_INLINE, config={"maxBatchSize": 2, "warmup": [{"name": "w", "batchSize": 3, "inputs": [_X]}]}),
        "batchSize of spec.config.warmup must not exceed",
    ),
    "a warm-up with a file elsewhere": (
        _model(source=_INLINE, config={"warmup": [{"name": "w", "inputs": [_X | {"file": "../x"}]}]}),
        "spec.config.warmup[0].inputs[0].file",
    ),
    "a warm-up of any size": (
        _model(source=_INLINE, config={"warmup": [{"name": "w", "inputs": [_X | {"dims": [-1]}]}]}),
        "spec.config.warmup[0].inputs[0].dims",
    ),
    "steps of another backend": (
        _model(source=_INLINE, config={"steps": [_STEP]}),
        "go with backend ensemble",
    ),
    "a step of a foreign name": (
        _model(backend="ensemble", config={"steps": [_STEP | {"model": "../x"}]}),
        "spec.config.steps[0].model",
    ),
    "an ensemble with instances": (
        _model(backend="ensemble", config={"steps": [_STEP], "instanceGroups": [{}]}),
        "backend ensemble takes no",
    ),
    "an ensemble of itself": (_model("tokens", backend="ensemble", config={"steps": [_STEP]}), "depend on itself"),
    "a model that depends on itself": (_model(source=_INLINE, dependsOn=["m"]), "depend on itself"),
    "a dependency twice": (_model(source=_INLINE, dependsOn=["a", "a"]), "duplicate entries"),
    "a parameter of Moorage's": (_model(source=_INLINE, config={"parameters": {"model.a": "x"}}), "must not hold"),
    "raw beyond its bound": (_model(source=_INLINE, config={"raw": "#" * (RAW_MAX + 1)}), "spec.config.raw"),
}

TAKEN = {
    "an ensemble without a source": _model(backend="ensemble", config={"steps": [_STEP]}),
    "a model that calls others": _model(source=_INLINE, dependsOn=["a", "b"]),
    "a model with everything said": _model(
        source=_INLINE,
        config={
            "maxBatchSize": 8,
            "instanceGroups": [{"count": 2, "kind": "KIND_GPU", "gpus": [0, 1]}],
            "sequenceBatching": {
                "strategy": "Oldest",
                "maxIdle": "5s",
                "maxQueueDelay": "1ms",
                "maxCandidateSequences": 3,
                "preferredBatchSizes": [4],
                "controls": [
                    {"name": "S", "kind": "CONTROL_SEQUENCE_START"},
                    {"name": "I", "kind": "CONTROL_SEQUENCE_CORRID", "dataType": "TYPE_UINT64"},
                ],
            },
            "decoupled": True,
            "parameters": {"a": "b"},
            "warmup": [{"name": "w", "batchSize": 8, "count": 3, "inputs": [_X | {"data": "Random"}]}],
            "raw": "# nothing",
        },
    ),
    "a model with batches": _model(
        source=_INLINE,
        config={"maxBatchSize": 8, "dynamicBatching": {"preferredBatchSizes": [4, 8], "maxQueueDelay": "100us"}},
    ),
    "preferred batches of a config.pbtxt's largest": _model(
        source=_INLINE, config={"dynamicBatching": {"preferredBatchSizes": [8]}}
    ),
    "a tenant of defaults": _tenant(),
    "an external store": _elsewhere(),
    "an external store with everything said": _elsewhere(
        "https://10.0.0.7:8443",
        grpcEndpoint="https://10.0.0.7:65535",
        credentialsSecretRef={"name": "store.example"},
    ),
    "an external store with gRPC on another host": _elsewhere(grpcEndpoint="https://grpc-weaviate.example"),
    "an external store with gRPC on another port": _elsewhere(grpcEndpoint="https://weaviate.example:444"),
    "a tenant's name of 40 characters": _tenant("a" * 40),
    "a scaler from elsewhere": _tenant(inference={"autoscaling": {"class": "External", "max": 2}}),
    "a part of a GPU": _tenant(inference={"gpu": {"resourceName": "nvidia.com/mig-1g.5gb", "count": 1}}),
    "a rotation every day": _tenant(credentials={"rotationPeriod": "24h"}),
    "a rotation in mixed units": _tenant(credentials={"rotationPeriod": "23h59m60s"}),
    "no rotation by age": _tenant(credentials={"rotationPeriod": "0s"}),
    "an inline model": _model(source=_INLINE),
    "a model from an archive": _model(source=_HTTPS, backend="onnxruntime"),
    "a source with a Secret": _model(source=_HTTPS | {"credentialsSecretRef": {"name": "mine.example"}}),
    "a folder in S3": _model(source=_S3),
    "a folder of a claim": _model(source=_PVC),
    "an archive in a claim": _model(source={"uri": "pvc://models.v2/m.zip", "sha256": "0" * 64}),
    "a tenant with claims": _tenant(inference={"modelClaims": ["models", "models.v2"]}),
    "an archive in another S3": _model(
        source=_S3 | {"sha256": "0" * 64, "s3": {"endpoint": "https://minio.example:9000", "region": "eu-central-1"}}
    ),
    "inline files up to the bound": _model(source={"inline": {"files": {"a": "x" * INLINE_BYTES_MAX}}}),
    "a model's name of 54 characters": _model("a" * 54, source=_INLINE),
    "a canary": _model(source=_INLINE, rollout={"canary": {"weight": 10}}),
    "a canary that is judged": _model(
        source=_INLINE, rollout={"canary": {"weight": 10}, "autoPromote": {"after": "90s"}}
    ),
    "a model that is never held twice": _model(source=_INLINE, rollout={"strategy": "Recreate"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(kube: Kube, case: str) -> None:
    manifest, words = REFUSED[case]
    answer = kube.apply(manifest, dry_run=True)
    assert answer.status_code in (400, 422, 500), answer.text
    assert words in answer.json()["message"]


@pytest.mark.parametrize("case", TAKEN)
def test_it_takes(kube: Kube, case: str) -> None:
    answer = kube.apply(TAKEN[case], dry_run=True)
    assert answer.is_success, answer.text


def test_defaults_are_filled_in(kube: Kube) -> None:
    spec = kube.apply(_tenant(), dry_run=True).json()["spec"]
    assert spec["quota"]["cpu"] == "8"
    assert spec["inference"]["pythonBackend"] == "Disabled"
    assert spec["network"]["egress"]["mode"] == "PublicHTTPS"
    assert (spec["suspend"], spec["deletionPolicy"], spec["deletionProtection"]) == (False, "Delete", False)
    assert spec["credentials"]["rotationPeriod"] == "2160h"


STORE = {"storage": {"size": "10Gi", "storageClassName": "fast"}, "replicas": 3}
CHANGES = {
    "a smaller volume": ({"storage": {"size": "9Gi"}}, "spec.vectorStore.storage.size cannot shrink"),
    "another storage class": ({"storage": {"storageClassName": "slow"}}, "storageClassName cannot be changed"),
    "no storage class any more": ({"storage": {"storageClassName": None}}, "storageClassName cannot be changed"),
    "fewer pods of the store": ({"replicas": 1}, "spec.vectorStore.replicas cannot be changed"),
    "a larger volume": ({"storage": {"size": "11Gi"}}, None),
    "the same size in other words": ({"storage": {"size": "10240Mi"}}, None),
    "other resources": ({"resources": {"limits": {"cpu": "2"}}}, None),
    "a store elsewhere": ({"external": {"endpoint": _ELSEWHERE}}, "external cannot be added or removed"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_store_changes_only_as_its_data_allows(kube: Kube, case: str) -> None:
    change, words = CHANGES[case]
    stored = _tenant("stored", vectorStore=STORE)
    assert kube.apply(stored).is_success
    answer = kube.merge(stored, {"spec": {"vectorStore": change}})
    kube.delete(stored)
    assert answer.is_success is (words is None), answer.text
    assert words is None or words in answer.json()["message"]


EXTERNAL_CHANGES = {
    "a store of its own": ({"external": None}, "external cannot be added or removed"),
    "no store": ({"backend": "None"}, "goes with backend Weaviate"),
    "another address": ({"external": {"endpoint": "https://moved.example"}}, None),
    "another Secret": ({"external": {"credentialsSecretRef": {"name": "mine"}}}, None),
}


@pytest.mark.parametrize("case", EXTERNAL_CHANGES)
def test_a_store_elsewhere_stays_elsewhere(kube: Kube, case: str) -> None:
    change, words = EXTERNAL_CHANGES[case]
    made = _elsewhere()
    made["metadata"]["name"] = "elsewhere"
    assert kube.apply(made).is_success
    answer = kube.merge(made, {"spec": {"vectorStore": change}})
    kube.delete(made)
    assert answer.is_success is (words is None), answer.text
    assert words is None or words in answer.json()["message"]
