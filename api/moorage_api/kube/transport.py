"""One JSON call to the API server; separate so that every failure of the wire becomes a domain error in one place.

The client's generated methods are not used: for custom resources they drop the body of a 201 [seen with 37.0.2].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient

from moorage_crds.encoding import as_yaml
from moorage_crds.errors import UnavailableError

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml; charset=utf-8"
"""The parameter keeps the client from writing the body itself: its JSON is not YAML for every character."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, sock_connect=5)


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: dict[str, Any]


async def call(
    api: ApiClient,
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    body: dict[str, Any] | None = None,
    content_type: str = JSON,
) -> Answer:
    """Send one request and return the answer, whatever its status; raises UnavailableError when there is none."""
    verb, url, headers, content, *_ = await api.param_serialize(
        method,
        path,
        query_params=list((query or {}).items()),
        header_params={"Accept": JSON, "Content-Type": content_type},
        body=as_yaml(body) if content_type == APPLY else body,
        auth_settings=["BearerToken"],
    )
    try:
        response = await api.call_api(verb, url, headers, content, _request_timeout=_TIMEOUT)
        return Answer(response.status, orjson.loads(await response.read()))  # type: ignore[no-untyped-call]  # untyped client
    except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
        raise UnavailableError("The Kubernetes API does not answer now.") from error
