"""What the chart grants to the operator, one right a row, and which of them a request needed.

Separate from the test that compares both: RBAC's rules about names, subresources and namespaces are read here alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moorage_crds import names
from tests.integration.conftest import SYSTEM_NAMESPACE, rendered_chart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.integration.operator.plane import Asked

Manifest = dict[str, Any]

EVERYWHERE, ITS_OWN, A_TENANTS = "everywhere", "its own namespace", "a tenant's namespace"
_ACCOUNT = {"kind": "ServiceAccount", "name": "moorage-operator", "namespace": SYSTEM_NAMESPACE}
_CREATED = 201


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource; ``name`` is empty for any object of it."""

    scope: str
    group: str
    resource: str
    verb: str
    name: str = ""

    def allows(self, needed: Right) -> bool:
        """Tell whether a request is allowed; its own scope says where its object is."""
        is_there = self.scope in (EVERYWHERE, needed.scope)
        is_it = (self.group, self.resource, self.verb) == (needed.group, needed.resource, needed.verb)
        return is_there and is_it and self.name in ("", needed.name)


def granted() -> set[Right]:
    """Return what the chart's roles grant to the operator, in tenants' namespaces by the binding it makes itself."""
    chart: list[Any] = [*rendered_chart()]
    roles = {(one["kind"], one["metadata"]["name"]): one for one in chart if one["kind"].endswith("Role")}
    bound = [one for one in chart if _ACCOUNT in (one.get("subjects") or ())]
    scopes = {(one["roleRef"]["kind"], one["roleRef"]["name"]): _scope(one) for one in bound}
    scopes["ClusterRole", names.OPERATOR_ROLE] = A_TENANTS
    return {right for role, scope in scopes.items() for right in _rights(roles[role], scope)}


def _scope(binding: Manifest) -> str:
    return EVERYWHERE if binding["kind"] == "ClusterRoleBinding" else ITS_OWN


def _rights(role: Manifest, scope: str) -> Iterator[Right]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or ("",):
                        yield Right(scope, group, resource, verb, name)


def needed(asked: Iterable[Asked]) -> set[Right]:
    """Return the rights that requests needed; those for no resource, as the server's version, need none."""
    return {right for one in asked if one.resource for right in _needed(one)}


def _needed(one: Asked) -> Iterator[Right]:
    """Yield the rights of one request: an apply that made its object was asked for the right to make it as well."""
    resource = f"{one.resource}/{one.subresource}" if one.subresource else one.resource
    for verb in (one.verb, "create") if one.code == _CREATED else (one.verb,):
        yield Right(_place(one.namespace), one.group, resource, verb, one.name)


def binding_of(roles: Iterable[str]) -> set[Right]:
    """Return the rights that binding these ClusterRoles needed; the audit log has no body that would say so."""
    return {Right(A_TENANTS, "rbac.authorization.k8s.io", "clusterroles", "bind", name) for name in roles}


def _place(namespace: str) -> str:
    if names.tenant_of_namespace(namespace) is not None:
        return A_TENANTS
    return ITS_OWN if namespace == SYSTEM_NAMESPACE else EVERYWHERE


def first_that_allows(grants: Iterable[Right], use: Right) -> Right | None:
    """Return the grant that a use counts for: the widest, so that one that it makes needless stays unused."""
    scopes = (EVERYWHERE, ITS_OWN, A_TENANTS)
    found = [grant for grant in grants if grant.allows(use)]
    return min(found, key=lambda grant: (scopes.index(grant.scope), grant.name), default=None)
