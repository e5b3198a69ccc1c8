from typing import Any

import pytest

from moorage_operator.reconcile import (
    Action,
    AddFinalizer,
    Apply,
    ApplyStatus,
    Create,
    Delete,
    MakeStoreUser,
    RemoveFinalizer,
    RemoveReplicaEntries,
    RemoveStoreUsers,
)

MANIFEST: dict[str, Any] = {"kind": "Secret", "metadata": {"name": "a", "namespace": "n"}, "data": {"k": "hush"}}

KEYS: list[tuple[Action, str]] = [
    (Create(MANIFEST), "create Secret n/a"),
    (Apply(MANIFEST, "1"), "apply Secret n/a"),
    (Delete("Namespace", None, "n", "uid", "v1"), "delete Namespace n"),
    (ApplyStatus("Tenant", None, "acme", {"k": "hush"}), "apply status of Tenant acme"),
    (RemoveReplicaEntries("n", "m", ()), "remove replica entries of ModelDeployment n/m"),
    (MakeStoreUser("n", "u", True, False, ({"value": "hush"},)), "make store user n/u"),
    (RemoveStoreUsers("n", "u", ({"value": "hush"},)), "remove store users but n/u"),
    (AddFinalizer("acme", "uid", "1"), "add finalizer to Tenant acme"),
    (RemoveFinalizer("acme", "uid", "1"), "remove finalizer from Tenant acme"),
]


@pytest.mark.parametrize(("action", "key"), KEYS, ids=[key for _, key in KEYS])
def test_an_action_names_itself_and_shows_no_content(action: Action, key: str) -> None:
    assert action.key == key
    assert "hush" not in repr(action)
