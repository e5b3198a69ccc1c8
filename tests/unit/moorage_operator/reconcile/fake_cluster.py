"""A cluster in memory that executes actions as an API server would and can be disturbed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from moorage_crds import API_VERSION, labels, names
from moorage_operator.reconcile import (
    Action,
    AddFinalizer,
    Apply,
    ApplyStatus,
    AwaitTurn,
    ChangeCredentials,
    Create,
    Delete,
    MakeStoreUser,
    RemoveFinalizer,
    RemoveReplicaEntries,
    RemoveStoreUsers,
    StoreUsers,
    World,
)
from tests.unit.moorage_operator.reconcile import fields

Key = tuple[str, str | None, str]


class ConflictError(Exception):
    """The answer 409."""


class FakeCluster:
    """Objects by kind, namespace and name; ``pods`` are what the Service's EndpointSlice tells of."""

    def __init__(self, tenant: str = "acme") -> None:
        self.tenant = tenant
        self.objects: dict[Key, dict[str, Any]] = {}
        self.pods: list[tuple[str, str, bool]] = []
        self.store_users: dict[str, str] = {}
        """Users of the vector store and their keys, encoded."""
        self._count = 0

    @property
    def namespace(self) -> str:
        return names.tenant_namespace(self.tenant)

    def add(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make an object as a person would."""
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace"), metadata["name"])
        if key in self.objects:
            raise ConflictError(key)
        self._count += 1
        made = {"uid": f"uid-{self._count}", "generation": 1} | deepcopy(metadata)
        self.objects[key] = {**deepcopy(manifest), "metadata": made | self._version()}
        return self.objects[key]

    def get(self, kind: str, name: str) -> dict[str, Any]:
        namespace = None if kind in {"Tenant", "Namespace"} else self.namespace
        return self.objects[kind, namespace, name]

    def has(self, kind: str, name: str) -> bool:
        return (kind, self.namespace, name) in self.objects

    def edit(self, kind: str, name: str, path: tuple[str, ...], value: Any) -> None:
        """Change one field as somebody else would: they own it from then on."""
        target = self.get(kind, name)
        target["metadata"] |= self._version()
        self._disown(target, path)
        for step in path[:-1]:
            target = target.setdefault(step, {})
        if value is None:
            target.pop(path[-1], None)
        else:
            target[path[-1]] = value

    def change_spec(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Change fields of a spec as its author would."""
        found = self.get(kind, name)
        found["spec"] = {**found["spec"], **spec}
        found["metadata"]["generation"] += 1
        found["metadata"] |= self._version()

    def scale(self, replicas: int) -> None:
        """Set the number of Triton pods through the subresource, as an autoscaler does."""
        self.edit("Deployment", "triton", ("spec", "replicas"), replicas)
        entries = self.get("Deployment", "triton")["metadata"]["managedFields"]
        mine = {"manager": "autoscaler", "operation": "Update", "subresource": "scale"}
        others = [entry for entry in entries if entry["manager"] != "autoscaler"]
        entries[:] = [*others, mine | {"fieldsV1": {"f:spec": {"f:replicas": {}}}}]

    def report(self, model: str, pod: str, *revisions: tuple[str, str, str]) -> None:
        """Say as a pod's agent what it holds: revision, state and message."""
        held = [{"name": name, "state": state, "message": message} for name, state, message in revisions]
        entry = {"pod": pod, "podUID": f"uid-{pod}", "revisions": held, "lastChangeTime": "2026-01-01T00:00:00Z"}
        found = self.get("ModelDeployment", model)
        status = found.setdefault("status", {})
        others = [other for other in status.get("replicas", []) if other["pod"] != pod]
        status["replicas"] = [*others, entry]
        found["metadata"] |= self._version()

    def set_pods(self, *pods: str, ready: bool = True) -> None:
        """Let the Service's pods be these, all of them ready or none."""
        self.pods = [(pod, f"uid-{pod}", ready) for pod in pods]

    def roll_out(self) -> None:
        """Let every workload come up as the controllers would."""
        for (kind, _, _), found in self.objects.items():
            if kind in {"Deployment", "StatefulSet"}:
                count = found["spec"]["replicas"]
                counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
                found["status"] = {"observedGeneration": found["metadata"]["generation"]} | counts

    def sweep(self) -> None:
        """Let the namespace go with everything in it."""
        self.objects = {key: found for key, found in self.objects.items() if key[1] != self.namespace}
        del self.objects["Namespace", None, self.namespace]

    def world(self, **changes: Any) -> World:
        in_namespace = {key: found for key, found in deepcopy(self.objects).items() if key[1] == self.namespace}
        seen: dict[str, Any] = {
            "tenant_name": self.tenant,
            "tenant": self.objects.get(("Tenant", None, self.tenant)),
            "namespace": self.objects.get(("Namespace", None, self.namespace)),
            "children": {
                (kind, name): found
                for (kind, _, name), found in in_namespace.items()
                if kind not in {"ModelDeployment", "ControllerRevision"}
                and labels.TENANT in found["metadata"]["labels"]
            },
            "models": tuple(found for (kind, *_), found in in_namespace.items() if kind == "ModelDeployment"),
            "revisions": tuple(found for (kind, *_), found in in_namespace.items() if kind == "ControllerRevision"),
            "endpoint_slices": self._endpoint_slices(),
            "api_server": (("10.0.0.1", 6443),),
        }
        return World(**deepcopy(seen | changes))

    def execute(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._execute(action)

    def _execute(self, action: Action) -> None:
        match action:
            case Create(manifest):
                made = self.add(dict(manifest))
                made["metadata"]["managedFields"] = [self._written_by_us(made)]
            case Apply(manifest, version):
                self._apply(dict(manifest), version, "")
            case ApplyStatus(kind, namespace, name, status, version):
                metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
                applied = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "status": status}
                self._apply(applied, version, "status")
            case Delete(kind, namespace, name, uid):
                self._delete((kind, namespace, name), uid)
            case RemoveReplicaEntries(_, model, patch):
                self._patch(self.get("ModelDeployment", model), patch)
            case ChangeCredentials(_, patch):
                self._change_secret(self.get("Secret", names.CREDENTIALS), patch)
            case MakeStoreUser() | RemoveStoreUsers():
                self._change_store_users(action)
            case AddFinalizer() | RemoveFinalizer():
                self._change_finalizer(action)
            case AwaitTurn():
                pass

    def _change_finalizer(self, action: AddFinalizer | RemoveFinalizer) -> None:
        if isinstance(action, AddFinalizer):
            self.get("Tenant", action.name)["metadata"] |= {"finalizers": [labels.FINALIZER]} | self._version()
        else:
            del self.objects["Tenant", None, action.name]

    def _change_store_users(self, action: StoreUsers) -> None:
        """Make a user, or another key for one that is there, or remove the others; then write the Secret."""
        patch = action.patch
        if isinstance(action, MakeStoreUser):
            key = self.make_store_user(action.user)
            patch = (*patch, {"op": "add", "path": f"/data/{names.WEAVIATE_KEY}", "value": key})
        if not isinstance(action, MakeStoreUser) or action.is_only:
            self.store_users = {action.user: self.store_users[action.user]}
        self._change_secret(self.get("Secret", names.CREDENTIALS), patch)

    def make_store_user(self, user: str) -> str:
        """Make a user of the store, or another key for one that is there; returns the key."""
        self._count += 1
        self.store_users[user] = b64encode(f"of-{user}-{self._count}".encode()).decode()
        return self.store_users[user]

    def _apply(self, manifest: dict[str, Any], version: str | None, subresource: str) -> None:
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace"), metadata["name"])
        applied = deepcopy(fields.without_identity(manifest))
        if key not in self.objects:
            self.add(manifest)
        elif version not in {None, self.objects[key]["metadata"]["resourceVersion"]}:
            raise ConflictError(key)
        found = self.objects[key]
        before = self._entry(found, subresource)["fieldsV1"]
        rest = {name: found[name] for name in found if name not in {"apiVersion", "kind"}}
        spec = deepcopy(found.get("spec"))
        found |= fields.merged((fields.without(rest, before) if before else rest) or {}, applied)
        self._prune(found, before, applied)
        self._take_over(found, spec, applied)
        self._entry(found, subresource)["fieldsV1"] = fields.owned(applied)
        found["metadata"] |= self._version()
        found["metadata"]["generation"] += found.get("spec") != spec

    @staticmethod
    def _take_over(found: dict[str, Any], before: dict[str, Any] | None, applied: dict[str, Any]) -> None:
        """Let a forced apply of another number end the ownership of who scaled."""
        replicas = applied.get("spec", {}).get("replicas")
        if replicas is not None and before and replicas != before.get("replicas"):
            entries = found["metadata"]["managedFields"]
            entries[:] = [entry for entry in entries if entry["manager"] != "autoscaler"]

    @staticmethod
    def _prune(found: dict[str, Any], before: dict[str, Any], applied: dict[str, Any]) -> None:
        for path in before:
            if path[2:] not in applied and path != "f:metadata":
                found.pop(path[2:], None)

    def _entry(self, found: dict[str, Any], subresource: str) -> dict[str, Any]:
        entries: list[dict[str, Any]] = found["metadata"].setdefault("managedFields", [])
        for entry in entries:
            is_ours = (entry["manager"], entry["operation"]) == (names.FIELD_MANAGER, "Apply")
            if is_ours and entry.get("subresource", "") == subresource:
                return entry
        made: dict[str, Any] = {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {}}
        entries.append(made | ({"subresource": subresource} if subresource else {}))
        return entries[-1]

    def _disown(self, found: dict[str, Any], path: tuple[str, ...]) -> None:
        for entry in found["metadata"].get("managedFields", []):
            owned = entry["fieldsV1"]
            for step in path[:-1]:
                owned = owned.get(f"f:{step}", {})
            owned.pop(f"f:{path[-1]}", None)

    def _delete(self, key: Key, uid: str) -> None:
        found = self.objects.get(key)
        if found is None or found["metadata"]["uid"] != uid:
            return
        if key[0] == "Namespace":
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            del self.objects[key]

    @staticmethod
    def _patch(model: dict[str, Any], patch: Iterable[Any]) -> None:
        replicas = model["status"]["replicas"]
        for step in patch:
            index = int(step["path"].split("/")[3])
            if step["op"] == "test":
                assert replicas[index]["podUID"] == step["value"]
            else:
                del replicas[index]

    @staticmethod
    def _written_by_us(made: dict[str, Any]) -> dict[str, Any]:
        """Return who wrote a Secret's keys as an API server records it of a POST or a patch."""
        written: dict[str, Any] = {f"f:{key}": {} for key in made.get("data") or {}}
        return {"manager": names.FIELD_MANAGER, "operation": "Update", "fieldsV1": {"f:data": written}}

    def _change_secret(self, secret: dict[str, Any], patch: Iterable[Any]) -> None:
        changed = deepcopy(secret)
        ours = self._written_by_us({"data": {}})
        for entry in secret["metadata"].get("managedFields", []):
            ours["fieldsV1"]["f:data"] |= entry["fieldsV1"].get("f:data", {})
        for step in patch:
            path = step["path"].split("/")[1:]
            name = path[-1].replace("~1", "/")
            target = changed
            for part in path[:-1]:
                target = target[part]
            match step["op"]:
                case "test":
                    if target[name] != step["value"]:
                        raise ConflictError(step["path"])
                case "remove":
                    del target[name]
                case "copy":
                    target[name] = target[step["from"].split("/")[-1]]
                case _:
                    target[name] = step["value"]
            if path[0] == "data" and step["op"] in {"add", "copy"} and len(path) > 1:
                ours["fieldsV1"]["f:data"][f"f:{name}"] = {}
        changed["metadata"]["managedFields"] = [ours]
        secret |= changed
        secret["metadata"] |= self._version()

    def _endpoint_slices(self) -> tuple[dict[str, Any], ...]:
        endpoints = [
            {"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name, "uid": uid}}
            for name, uid, ready in self.pods
        ]
        return ({"metadata": {"name": "triton-abcde"}, "endpoints": endpoints},)

    def _version(self) -> dict[str, str]:
        self._count += 1
        return {"resourceVersion": str(self._count)}
