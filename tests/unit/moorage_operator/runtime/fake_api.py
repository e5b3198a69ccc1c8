"""An API server in a dictionary: answers by script, remembers requests, and keeps Leases by resourceVersion."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from moorage_operator.runtime import apierrors
from moorage_operator.runtime.client import JSON

if TYPE_CHECKING:
    from moorage_operator.runtime.client import Options

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any
    content_type: str
    params: dict[str, str]


@dataclass
class ScriptedApi:
    """Gives the scripted answers in order; an error among them is raised."""

    answers: deque[Manifest | apierrors.ApiError] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        content_type, params = options.get("content_type", JSON), options.get("params")
        self.requests.append(Request(method, path, options.get("body"), content_type, dict(params or {})))
        answer = self.answers.popleft()
        if isinstance(answer, apierrors.ApiError):
            raise answer
        return answer


@dataclass
class LeaseApi:
    """One Lease with an API server's rules; ``broken`` makes it unreachable for everybody."""

    record: Manifest | None = None
    version: int = 0
    broken: bool = False
    lose_answers: bool = False
    """Commit writes, then fail them, as a connection does that breaks too late."""

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        assert options.keys() <= {"body", "seconds"}
        if self.broken:
            raise apierrors.UnreachableError(f"{method} {path}: broken")
        if method == "GET":
            return self._get()
        return self._write(method, options["body"])

    @property
    def holder(self) -> str:
        return str(self.record["spec"]["holderIdentity"]) if self.record else ""

    def _get(self) -> Manifest:
        if self.record is None:
            raise apierrors.NotFoundError("no lease", 404)
        return self.record

    def _write(self, method: str, body: Manifest) -> Manifest:
        known = self.record["metadata"]["resourceVersion"] if self.record else None
        if (method == "POST") != (known is None) or body["metadata"].get("resourceVersion") != known:
            raise apierrors.ConflictError("changed", 409)
        self.version += 1
        self.record = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        if self.lose_answers:
            raise apierrors.UnreachableError("answer lost")
        return self.record
