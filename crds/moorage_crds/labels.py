"""Label, annotation and finalizer keys; each exists here once and nowhere else."""

from typing import Final

TENANT: Final = "moorage.dev/tenant"
"""Label on the tenant namespace and on every child: the Tenant's name. All watches select on it."""

COMPONENT: Final = "moorage.dev/component"
"""Label on children and pods: which part of the stack they are, one of the COMPONENT_ values."""

MODEL: Final = "moorage.dev/model"
"""Label on a ControllerRevision: the ModelDeployment's name. Tells revisions from a StatefulSet's own."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
"""The recommended Kubernetes label; its value on our objects is ``MANAGER``."""

MANAGER: Final = "moorage"
"""Value of ``MANAGED_BY``."""

COMPONENT_TRITON: Final = "triton"
COMPONENT_WEAVIATE: Final = "weaviate"

TENANT_ID: Final = "moorage.dev/tenant-id"
"""Annotation of the tenant namespace: the Tenant's UID at first creation. Keys of data derive from it."""

INTENT: Final = "moorage.dev/intent"
"""Annotation of a ControllerRevision that tells the agents what to do: ``WANTED`` or ``DRAINING``; absent = history."""

WANTED: Final = "Wanted"
"""Value of ``INTENT``: hold this revision."""

DRAINING: Final = "Draining"
"""Value of ``INTENT``: traffic has left; keep it until requests in flight have ended, then unload."""

PROMOTED_AT: Final = "moorage.dev/promoted-at"
"""Annotation of a ControllerRevision: RFC 3339 time it last became stable. The latest one is the stable revision."""

CANARY_SINCE: Final = "moorage.dev/canary-since"
"""Annotation of a ControllerRevision: RFC 3339 time since when it has had a canary's share of the traffic."""

DRAINING_SINCE: Final = "moorage.dev/draining-since"
"""Annotation of a ControllerRevision: RFC 3339 time since when it has had no traffic and is ``DRAINING``."""

CREDENTIALS_FROM: Final = "moorage.dev/credentials-from"
"""Annotation of a ControllerRevision: name of the Secret that agents fetch its source with; absent = none."""

SOURCE_DIGEST: Final = "moorage.dev/source-digest"
"""Annotation of a ControllerRevision: manifest digest of its folder when it was first fetched; absent until then."""

EGRESS_CIDRS: Final = "moorage.dev/egress-cidrs"
"""Annotation of a ControllerRevision: ranges that its source may lead to though they are not public, comma between."""

SOURCE_CREDENTIALS: Final = "moorage.dev/source-credentials"
"""Label of a Secret that a source may name; its value must be ``"true"``."""

STORE_CREDENTIALS: Final = "moorage.dev/store-credentials"
"""Label of a Secret that ``vectorStore.external`` may name; its value must be ``"true"``. Members can make none."""

HOSTS: Final = "moorage.dev/hosts"
"""Annotation of a Secret of either kind: the hosts it may be sent to, comma between; with a port unless it is 443."""

REJECTED: Final = "moorage.dev/rejected"
"""Annotation of a ControllerRevision: JSON that says when, why and by which retry it was rejected; it is not loaded."""

RETRY: Final = "moorage.dev/retry"
"""Annotation of a ModelDeployment: a new text gives the rejected revision that the spec asks for another try."""

PAUSED: Final = "moorage.dev/paused"
"""Annotation of a Tenant or ModelDeployment: ``"true"`` stops reconciling that object."""

ADOPT: Final = "moorage.dev/adopt"
"""Annotation of a Tenant: the tenantID of a retained namespace of its name, which it then takes over with all data."""

DELETION_PROTECTION: Final = "moorage.dev/deletion-protection"
"""Annotation of the tenant namespace: ``"true"`` while its Tenant is protected; an admission policy reads it there."""

ALLOW_DELETION: Final = "moorage.dev/allow-deletion"
"""Annotation of Moorage's CustomResourceDefinitions: ``"true"`` lets them, and all their objects, be deleted."""

ROTATE: Final = "moorage.dev/rotate"
"""Annotation of a Tenant: each new value, whatever it is, rotates the tenant's credentials once."""

ROTATION: Final = "moorage.dev/rotation"
"""Annotation of ``moorage-credentials`` and of the pods that were made to hold them: number of the rotation, a plain
counter; absent before the first. It is what rolls the pods, and says nothing of the keys."""

ROTATED_AT: Final = "moorage.dev/rotated-at"
"""Annotation of ``moorage-credentials``: RFC 3339 time at which its keys were last made or rotated."""

ROTATED_FOR: Final = "moorage.dev/rotated-for"
"""Annotation of ``moorage-credentials``: the value of ``ROTATE`` that was acted upon last."""

STORE_ROOT: Final = "moorage.dev/store-root"
"""Annotation of ``moorage-credentials`` and of the vector store's pods: how often the store's root key was made anew, a
plain counter; absent before the first time. It is what rolls the store's pods."""

STORE_USER: Final = "moorage.dev/store-user"
"""Annotation of ``moorage-credentials``: number of the rotation that the vector store's user, whose key the API sends,
was made in."""

STORE_CLAIM: Final = "moorage.dev/store-claim"
"""Annotation of ``moorage-credentials``: UID of the volume claim that the vector store had when that user was made."""

STORE_USER_SINCE: Final = "moorage.dev/store-user-since"
"""Annotation of ``moorage-credentials``: RFC 3339 time at which that user was made; absent once no older one is
left."""

FINALIZER: Final = "moorage.dev/tenant"
"""Finalizer of a Tenant; the only finalizer Moorage sets."""
