"""The decisions of the operator, pure: observed objects and the clock go in, writes come out.

Separate from everything that talks to a cluster, so that each decision is a table of cases. The interface is
``reconcile_tenant`` and ``requeue_after`` for a tenant, ``reconcile_orphan_models`` for models without one.
"""

from moorage_operator.reconcile.actions import (
    Action,
    AddFinalizer,
    Apply,
    ApplyStatus,
    ChangeCredentials,
    Create,
    Delete,
    RemoveFinalizer,
    RemoveReplicaEntries,
)
from moorage_operator.reconcile.plan import reconcile_orphan_models, reconcile_tenant, requeue_after
from moorage_operator.reconcile.world import Manifest, Settings, TenantRules, World

__all__ = [
    "Action",
    "AddFinalizer",
    "Apply",
    "ApplyStatus",
    "ChangeCredentials",
    "Create",
    "Delete",
    "Manifest",
    "RemoveFinalizer",
    "RemoveReplicaEntries",
    "Settings",
    "TenantRules",
    "World",
    "reconcile_orphan_models",
    "reconcile_tenant",
    "requeue_after",
]
