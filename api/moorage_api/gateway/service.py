"""The gateway's decisions in order: who, which tenant, which replica, what came back.

Separate from the dispatcher because the vectors feature asks tenants' models through it without any HTTP request.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from moorage_api.auth.authenticator import Authenticator
from moorage_api.auth.principal import Principal, authorize
from moorage_api.gateway import replies, routing
from moorage_api.gateway.answers import Answer
from moorage_api.gateway.counters import RevisionCounters
from moorage_api.gateway.errors import DrainingError, ModelTimeoutError, NoReplicaError, UnknownModelError
from moorage_api.gateway.headers import Headers
from moorage_api.gateway.limits import TenantLimits
from moorage_api.gateway.paths import Call
from moorage_api.gateway.proxy import BrokenError, LateError, NotSentError, Proxy
from moorage_api.kube.cache import Credentials
from moorage_api.tenants.policy import check_awake
from moorage_crds import names
from moorage_crds.errors import UnavailableError

_TRIES: Final = 2
_SERVER: Final = ""
"""Stands for the revision where the server itself is asked and none is chosen."""


class Cluster(Protocol):
    """What the gateway reads of the watch cache."""

    @property
    def connected(self) -> bool:
        """Whether what is known is current."""

    def tenant(self, name: str) -> dict[str, Any] | None:
        """Return a Tenant."""

    def model(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a ModelDeployment."""

    def endpoint_slices(self, namespace: str) -> list[dict[str, Any]]:
        """Return the EndpointSlices of Triton's Service."""

    def secret(self, namespace: str) -> Credentials | None:
        """Return the tenant's credentials."""


@dataclass(frozen=True)
class Question:
    """What to ask Triton, once a replica is chosen."""

    call: Call
    headers: Mapping[str, str]
    body: bytes | None
    revision: str | None = None
    """The only revision that may answer; None leaves it to the traffic."""


class Gateway:
    """Answers calls from tenants' own Triton servers.

    Args:
        cluster: The watch cache.
        proxy: The connections.
        authenticator: Tells who calls.
        draw: Throws the number in [0, 1) that decides between equals.
        clock: Seconds that tenants' requests are counted in.
        counters: Counts how requests to each revision go; by default for nobody.
    """

    def __init__(
        self,
        cluster: Cluster,
        proxy: Proxy,
        authenticator: Authenticator,
        *,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        counters: RevisionCounters | None = None,
    ) -> None:
        self._cluster = cluster
        self._proxy = proxy
        self._authenticator = authenticator
        self._draw = draw
        self._limits = TenantLimits(clock)
        self._counters = counters or RevisionCounters(CollectorRegistry())
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def open(self) -> None:
        """Open the connections."""
        await self._proxy.open()

    async def close(self, patience: float = 30.0) -> None:
        """Refuse what comes from now on, let what is under way finish for ``patience`` seconds, then disconnect."""
        self._draining = True
        with suppress(TimeoutError):  # what has not ended by then is cut off with the connections
            async with asyncio.timeout(patience):
                await self._idle.wait()
        await self._proxy.close()

    async def admit(self, call: Call, headers: Headers) -> Principal:
        """Return who calls, if they may, or raise; before anything of the body is read.

        Raises:
            AuthenticationError, ForbiddenError, NotFoundError: The caller may not.
            UnavailableError: The tenant is not known, and the cluster that would know it does not answer.
            TenantSuspendedError: The tenant is suspended.
            RateLimitedError: The tenant has asked too often.
        """
        principal = await self._authenticator.authenticate(headers)
        tenant = self._cluster.tenant(call.tenant)
        if tenant is None and not self._cluster.connected:
            raise UnavailableError("The state of the cluster is not known now.")
        authorize(principal, call.route.permission, call.tenant, tenant)
        if tenant is not None:
            check_awake(tenant)
            self._limits.admit(tenant)
        return principal

    @asynccontextmanager
    async def answering(self, question: Question) -> AsyncIterator[Answer]:
        """Ask a replica, another one where nothing was run, and yield the answer; its body may still be coming.

        Nothing is authorised here: the caller has, or is this process itself.
        """
        with self._counted(), self._slot(question.call.tenant):
            async with AsyncExitStack() as opened:
                yield await self._ask(opened, question)

    async def _ask(self, opened: AsyncExitStack, question: Question) -> Answer:
        """Return the first replica's answer; what it needs stays open with ``opened``."""
        targets, keys = self._targets(question), self._keys(question.call.tenant)
        for _ in range(_TRIES):
            choice = routing.pick(targets, self._draw(), self._proxy.in_flight)
            if choice is None:
                break
            try:
                return await self._ask_replica(opened, question, choice, keys)
            except NotSentError:
                targets = routing.without(targets, choice.replica)
            except replies.NotHeldError:
                targets = routing.without_holding(targets, choice)
        raise NoReplicaError(_absence(question.call))

    async def _ask_replica(
        self, opened: AsyncExitStack, question: Question, choice: routing.Choice, keys: Sequence[str]
    ) -> Answer:
        """Return a replica's answer; one that is older than a rotation knows the previous key only."""
        for key in keys[:-1]:
            with suppress(replies.KeyRefusedError):
                return await opened.enter_async_context(self._asking(question, choice, key))
        return await opened.enter_async_context(self._asking(question, choice, keys[-1]))

    def _judged(self, call: Call, choice: routing.Choice) -> AbstractContextManager[None]:
        """Count how a request to a revision goes; a look at its metadata proves nothing."""
        if call.route.audit != "inference" or call.model is None:
            return nullcontext()
        return self._counters.counting(call.tenant, call.model, choice.revision)

    @asynccontextmanager
    async def _asking(self, question: Question, choice: routing.Choice, key: str) -> AsyncIterator[Answer]:
        call = question.call
        model = call.model or ""
        headers = {**question.headers, names.INFERENCE_HEADER: key}
        path = call.upstream(choice.triton_name)
        with self._judged(call, choice):
            try:
                async with self._proxy.exchange(
                    choice.replica, call.route.method, path, headers, question.body
                ) as reply:
                    if not reply.ok:
                        raise await replies.failure(reply, choice, model, versioned=call.version is not None)
                    yield await replies.answer(reply, call.route.rewrite, choice, model, _marks(call, choice))
            except LateError as error:
                raise ModelTimeoutError("The model did not answer in time.") from error
            except BrokenError as error:
                raise UnavailableError("The connection to the replica broke.") from error

    def _targets(self, question: Question) -> tuple[routing.Target, ...]:
        call = question.call
        namespace = names.tenant_namespace(call.tenant)
        slices = self._cluster.endpoint_slices(namespace)
        if call.model is None:
            replicas = routing.ready_replicas(call.tenant, slices)
            return (routing.Target(_SERVER, "", 1, replicas),) if replicas else ()
        model = self._cluster.model(namespace, call.model)
        if model is None:
            raise _unknown(call.model, known=self._cluster.connected)
        targets = routing.routes(call.tenant, model, slices)
        return targets if question.revision is None else routing.only(targets, question.revision)

    def _keys(self, tenant: str) -> Sequence[str]:
        credentials = self._cluster.secret(names.tenant_namespace(tenant))
        keys = credentials.pair(names.INFERENCE_KEY) if credentials else ()
        if not keys:
            raise UnavailableError("The tenant's credentials are not there yet.")
        return keys

    def _slot(self, name: str) -> AbstractContextManager[None]:
        """Hold one of the tenant's places; a tenant that is gone has no bounds, and no replica either."""
        tenant = self._cluster.tenant(name)
        return nullcontext() if tenant is None else self._limits.slot(tenant)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._draining:
            raise DrainingError("This process is stopping; try again.")
        self._open += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()


def _marks(call: Call, choice: routing.Choice) -> Headers:
    """Return our own headers: the revision that answered, and the model and replica that served it.

    ``Moorage-Served-By`` is a structured field, ``<model or server>;replica="<pod>"``.
    """
    served = f'{call.model or "server"};replica="{choice.replica.pod}"'
    marks = [(b"moorage-served-by", served.encode())]
    if choice.revision != _SERVER:
        marks.append((b"moorage-model-revision", choice.revision.encode()))
    return marks


def _absence(call: Call) -> str:
    if call.model is None:
        return f"No replica of tenant {call.tenant!r} is ready now."
    return f"No ready replica holds the model {call.model!r} now."


def _unknown(model: str, *, known: bool) -> Exception:
    if not known:
        return UnavailableError("The state of the cluster is not known now.")
    return UnknownModelError(f"Request for unknown model: {model!r} is not found")


@asynccontextmanager
async def running(
    cluster: Cluster, authenticator: Authenticator, registry: CollectorRegistry, proxy: Proxy | None = None
) -> AsyncIterator[Gateway]:
    """Run a gateway: ``app.state.gateway`` while the application lives; drained when the context ends."""
    gateway = Gateway(cluster, proxy or Proxy(), authenticator, counters=RevisionCounters(registry))
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway.close()
