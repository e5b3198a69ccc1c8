"""The decisions of the operator, pure: observed objects and the clock go in, writes come out.

Separate from everything that talks to a cluster, so that each decision is a table of cases. The interface is
``reconcile_tenant`` and ``requeue_after`` for a tenant, ``reconcile_orphan_models`` for models without one,
``canaries`` for the figures that a tenant's rollouts need, ``rolls_until`` and ``has_room`` for who is being rolled.
"""

from moorage_operator.reconcile.actions import (
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
    Write,
)
from moorage_operator.reconcile.canary import Reading, Tally, add
from moorage_operator.reconcile.plan import reconcile_orphan_models, reconcile_tenant, requeue_after
from moorage_operator.reconcile.rollouts import Canary, canaries
from moorage_operator.reconcile.rolls import has_room, rolls_until
from moorage_operator.reconcile.world import Manifest, Proxy, Settings, TenantRules, World

__all__ = [
    "Action",
    "AddFinalizer",
    "Apply",
    "ApplyStatus",
    "AwaitTurn",
    "Canary",
    "ChangeCredentials",
    "Create",
    "Delete",
    "MakeStoreUser",
    "Manifest",
    "Proxy",
    "Reading",
    "RemoveFinalizer",
    "RemoveReplicaEntries",
    "RemoveStoreUsers",
    "Settings",
    "StoreUsers",
    "Tally",
    "TenantRules",
    "World",
    "Write",
    "add",
    "canaries",
    "has_room",
    "reconcile_orphan_models",
    "reconcile_tenant",
    "requeue_after",
    "rolls_until",
]
