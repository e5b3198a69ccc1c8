"""Permissions and roles: what a route demands and who has it."""

from typing import Final, Literal

TenantRole = Literal["admin", "developer", "user", "viewer"]
PlatformRole = Literal["admin", "operator", "auditor", "user"]

TENANTS_READ: Final = "tenants:read"
TENANTS_WRITE: Final = "tenants:write"
TENANTS_CONFIGURE: Final = "tenants:configure"
MODELS_READ: Final = "models:read"
MODELS_WRITE: Final = "models:write"
MODELS_INFER: Final = "models:infer"
VECTORS_READ: Final = "vectors:read"
VECTORS_WRITE: Final = "vectors:write"
KEYS_READ: Final = "keys:read"
KEYS_WRITE: Final = "keys:write"
USERS_READ: Final = "users:read"
USERS_WRITE: Final = "users:write"
SELF: Final = "self"
"""Any authenticated subject acting on itself."""
PUBLIC: Final = "public"
"""No authentication: login and probes."""

DESCRIPTIONS: Final = {
    TENANTS_READ: "See a tenant, its spec and its status.",
    TENANTS_WRITE: "Create, change and delete tenants.",
    TENANTS_CONFIGURE: "Change those fields of a tenant's spec that are the tenant's own.",
    MODELS_READ: "See models, their revisions and status.",
    MODELS_WRITE: "Create, change and delete models.",
    MODELS_INFER: "Send inference requests.",
    VECTORS_READ: "See collections, get and search objects.",
    VECTORS_WRITE: "Create and delete collections and objects.",
    KEYS_READ: "List the API keys of a tenant.",
    KEYS_WRITE: "Create and revoke API keys of a tenant.",
    USERS_READ: "List subjects.",
    USERS_WRITE: "Create, disable and re-enable subjects.",
    SELF: "Act on one's own account.",
    PUBLIC: "Anybody.",
}

_USE: Final = frozenset({TENANTS_READ, MODELS_READ, MODELS_INFER, VECTORS_READ})
_DEVELOP: Final = _USE | {MODELS_WRITE, VECTORS_WRITE, KEYS_READ, KEYS_WRITE}

TENANT_ROLES: Final[dict[str, frozenset[str]]] = {
    "viewer": frozenset({TENANTS_READ, MODELS_READ, VECTORS_READ}),
    "user": _USE,
    "developer": _DEVELOP,
    "admin": _DEVELOP | {TENANTS_CONFIGURE},
}
"""Permissions of a role inside its own tenant."""

_ALL_TENANTS: Final = frozenset({TENANTS_READ, MODELS_READ, VECTORS_READ, KEYS_READ, USERS_READ})

PLATFORM_ROLES: Final[dict[str, frozenset[str]]] = {
    "admin": frozenset(DESCRIPTIONS) - {PUBLIC},
    "operator": _ALL_TENANTS | {TENANTS_WRITE, TENANTS_CONFIGURE},
    "auditor": _ALL_TENANTS,
    "user": frozenset(),
}
"""Permissions of a platform role in every tenant."""
