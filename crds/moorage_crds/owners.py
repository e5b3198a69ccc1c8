"""Who may change which field of a Tenant's spec: the platform team alone, or the tenant's own admin too.

Separate from the fields because the API, a dashboard and the tests read the table as a whole.
"""

from __future__ import annotations

from typing import Final, Literal

Owner = Literal["platform", "tenant"]

OWNERS: Final[dict[str, Owner]] = {
    "displayName": "tenant",
    "suspend": "platform",
    "deletionPolicy": "platform",
    "deletionProtection": "platform",
    "members": "platform",
    "quota": "platform",
    "inference.replicas": "tenant",
    "inference.autoscaling": "tenant",
    "inference.surge": "tenant",
    "inference.resources": "tenant",
    "inference.gpu": "tenant",
    "inference.pythonBackend": "platform",
    "inference.runtimeClassName": "platform",
    "inference.nodeSelector": "platform",
    "inference.tolerations": "platform",
    "inference.modelStore": "platform",
    "inference.modelClaims": "tenant",
    "vectorStore": "platform",
    "network": "platform",
    "credentials": "platform",
}
"""Path below ``spec`` -> owner of that field and of everything below it.

What a tenant owns is bounded by its quota; what the platform owns bounds the tenant or spends what no quota counts.
"""


def owner_of(path: str) -> Owner:
    """Return the owner of a field below ``spec``; one that no row names is the platform's."""
    while path:
        if path in OWNERS:
            return OWNERS[path]
        path = path.rpartition(".")[0]
    return "platform"
