"""One pod on loopback: the agent as a process, a real Triton, and a server that speaks the API server's protocol."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from moorage_crds import labels, names
from tests.support.ports import free_ports
from tests.support.tls import Identity, serving
from tests.support.triton import INFERENCE_KEY, MANAGEMENT_KEY, TritonServer
from tests.unit.moorage_agent.build import controller_revision
from tests.unit.moorage_agent.fakekube import NAMESPACE, FakeKube, account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp.typedefs import Handler

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 60.0
TENSORS = {
    "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [-1]}],
    "outputs": [{"name": "Y", "dataType": "TYPE_FP32", "dims": [-1]}],
}


def adding(amount: int, before: str = "", during: str = "pass") -> dict[str, str]:
    """Return a Python model that adds; ``before`` runs at import, ``during`` with each request."""
    code = f"""
import os, time
{before}
import triton_python_backend_utils as utils
class TritonPythonModel:
    def execute(self, requests):
        {during}
        sums = [utils.get_input_tensor_by_name(one, "X").as_numpy() + {amount} for one in requests]
        return [utils.InferenceResponse([utils.Tensor("Y", each.astype("float32"))]) for each in sums]
"""
    return {"1/model.py": code}


def model(name: str, source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the snapshot of a Python model."""
    return {
        "tenantID": "t-1",
        "model": name,
        "source": source,
        "backend": "python",
        "config": TENSORS,
    } | changes


def inline(name: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the snapshot of a model whose files stand in the resource."""
    return model(name, {"inline": {"files": dict(files)}})


@dataclass
class Traffic:
    """What a steady client of one model saw."""

    answers: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Stack:
    """The processes of one pod."""

    def __init__(
        self, folder: Path, kube: FakeKube, url: str, identity: Identity, client: aiohttp.ClientSession
    ) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.kube = kube
        self.url = url
        self.identity = identity
        self.client = client
        self.triton = TritonServer(self.store, folder / "triton.log")
        self.agent: subprocess.Popen[bytes] | None = None
        self.log = folder / "agent.log"
        self.port = free_ports(1)[0]
        self.version = 100
        self._left = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[Self]:
        """Serve the API server's protocol; end whatever was started."""
        identity = Identity.make(folder, "localhost")
        account(folder / "account", identity, token="token-1")
        (folder / "store").mkdir()
        kube = FakeKube()
        async with serving(kube.application(), identity) as port, aiohttp.ClientSession() as client:
            made = cls(folder, kube, f"https://127.0.0.1:{port}", identity, client)
            try:
                yield made
            finally:
                made.kill_agent()
                made.triton.kill()
                await made._left.aclose()
                kube.end_watches()

    # The agent.

    def start_agent(self, **environment: str) -> None:
        """Start the agent with what the pod template gives it, and paths and ports of this test."""
        host, _, port = self.url.removeprefix("https://").partition(":")
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{_ROOT / 'agent'}:{_ROOT / 'crds'}",
            "POD_NAME": "triton-x",
            "POD_UID": "uid-x",
            "POD_NAMESPACE": NAMESPACE,
            "TRITON_INFERENCE_KEY": INFERENCE_KEY,
            "TRITON_MANAGEMENT_KEY": MANAGEMENT_KEY,
            "TRITON_GRPC": self.triton.grpc,
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "MOORAGE_ACCOUNT_DIR": str(self.folder / "account"),
            "MOORAGE_STORE": str(self.store),
            "MOORAGE_HTTP_HOST": "127.0.0.1",
            "MOORAGE_HTTP_PORT": str(self.port),
            "MOORAGE_ALLOWED_CIDRS": "127.0.0.0/8,::1/128",
            "SSL_CERT_FILE": str(self.identity.certificate),
        }
        with self.log.open("ab") as out:
            command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "moorage_agent"]
            self.agent = subprocess.Popen(command, env=env | environment, stdout=out, stderr=out, cwd=self.folder)

    def kill_agent(self) -> None:
        """Kill the agent as the kernel would."""
        if self.agent:
            self.agent.kill()
            self.agent.wait()
            self.agent = None

    def terminate_agent(self) -> int:
        """Ask the agent to end and return its exit code; it fails when the agent waits for what is under way."""
        assert self.agent
        self.agent.send_signal(signal.SIGTERM)
        code = self.agent.wait(timeout=30)
        self.agent = None
        return code

    def rss(self) -> float:
        """Return the agent's resident memory in MiB."""
        assert self.agent
        status = Path(f"/proc/{self.agent.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def probe(self, path: str) -> int:
        """Return the status of one of the agent's probes, 0 when it does not answer."""
        try:
            async with self.client.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def until_probe(self, path: str, status: int) -> float:
        """Wait until a probe answers a status; return the seconds it took."""
        started = time.monotonic()
        while (last := await self.probe(path)) != status:
            if time.monotonic() - started > _PATIENCE:
                raise AssertionError(f"{path}: expected {status}, last {last}\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.1)
        return time.monotonic() - started

    # What is wanted.

    async def want(
        self,
        data: dict[str, Any],
        intent: str | None = labels.WANTED,
        *,
        promoted: bool = False,
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """Create or change a ControllerRevision as the operator would; return its Triton name."""
        self.version += 1
        manifest = controller_revision(data["model"], data, intent=intent, version=str(self.version))
        if promoted:
            manifest["metadata"]["annotations"][labels.PROMOTED_AT] = "2026-01-01T00:00:00Z"
        manifest["metadata"]["annotations"] |= annotations or {}
        name = manifest["metadata"]["name"]
        known = [each for each in self.kube.items if each["metadata"]["name"] == name]
        self.kube.items = [each for each in self.kube.items if each not in known] + [manifest]
        if self.agent:
            await self._emit("MODIFIED" if known else "ADDED", manifest)
        return names.triton_name(data["model"], name.rpartition("-")[2])

    async def forget(self, name: str) -> None:
        """Delete the ControllerRevision of a Triton name, as the garbage collector does after its model's deletion."""
        gone = [each for each in self.kube.items if each["metadata"]["name"] == name.replace("--", "-")]
        self.kube.items = [each for each in self.kube.items if each not in gone]
        for each in gone:
            await self.kube.emit("DELETED", each)

    async def _emit(self, kind: str, manifest: dict[str, Any]) -> None:
        try:
            await self.kube.emit(kind, manifest)
        except TimeoutError as error:
            raise AssertionError(f"the agent does not watch\n{self.log.read_text()[-3000:]}") from error

    def said(self, name: str) -> tuple[str, str]:
        """Return state and message that were reported last of a Triton name."""
        found = self.entry(name)
        return found.get("state", ""), found.get("message", "")

    def reason(self, name: str) -> str:
        """Return the reason that was reported last of a Triton name."""
        return str(self.entry(name).get("reason", ""))

    def entry(self, name: str) -> dict[str, Any]:
        """Return all that was reported last of a Triton name."""
        model, _, revision = name.rpartition("--")
        bodies = [body for of, _, body in self.kube.patches if of == model]
        entries = [entry for body in bodies[-1:] for entry in body["status"].get("replicas", [])]
        found = [each for entry in entries for each in entry["revisions"] if each["name"] == revision]
        return found[0] if found else {}

    async def until_said(self, name: str, state: str) -> str:
        """Wait until a state is reported; return its message."""
        deadline = time.monotonic() + _PATIENCE
        while self.said(name)[0] != state:
            if time.monotonic() > deadline:
                log = self.log.read_text()[-3000:]
                raise AssertionError(f"{name}: expected {state}, last said {self.said(name)}\n{log}")
            await asyncio.sleep(0.05)
        return self.said(name)[1]

    async def downloads(self, path: str, handler: Handler) -> str:
        """Serve one more address over TLS; return its URL."""
        app = web.Application()
        app.add_routes([web.get(path, handler)])
        port = await self._left.enter_async_context(serving(app, self.identity))
        return f"https://localhost:{port}{path}"

    # Triton.

    def placed(self) -> set[str]:
        """Return what Triton would load at its next start."""
        return {path.name for path in (self.store / "repository").iterdir()}

    async def infer(self, name: str, key: str | None = INFERENCE_KEY) -> tuple[int, Any]:
        """Ask a model for X + its amount; return status and Y.

        On a busy machine Triton takes a model's process for dead that has not run for a second, and only says so: the
        next request is answered, unless the process is dead indeed.
        """
        status, answer = await self._ask_once(name, key)
        return await self._ask_once(name, key) if "is not healthy" in str(answer) else (status, answer)

    async def _ask_once(self, name: str, key: str | None) -> tuple[int, Any]:
        body = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [1]}]}
        url = f"http://127.0.0.1:{self.triton.ports[0]}/v2/models/{name}/infer"
        headers = {names.INFERENCE_HEADER: key} if key else {}
        async with self.client.post(url, json=body, headers=headers) as answer:
            found = json.loads(await answer.text())
            return answer.status, found["outputs"][0]["data"][0] if answer.ok else found["error"]

    async def ask(self, path: str, body: Any = None) -> tuple[int, str]:
        """Send a request below ``/v2/models/`` with the tenant's key; return status and text."""
        url = f"http://127.0.0.1:{self.triton.ports[0]}/v2/models/{path}"
        method = "GET" if body is None else "POST"
        headers = {names.INFERENCE_HEADER: INFERENCE_KEY}
        async with aiohttp.request(method, url, json=body, headers=headers) as said:
            return said.status, await said.text()

    async def served_config(self, name: str) -> dict[str, Any]:
        """Return the configuration that Triton serves a model with."""
        status, text = await self.ask(f"{name}/config")
        assert status == web.HTTPOk.status_code, text
        found: dict[str, Any] = json.loads(text)
        return found

    async def until_withdrawn(self, kept: set[str]) -> None:
        """Wait until nothing but ``kept`` lies in the repository, besides what Triton says it is still unloading."""
        started = time.monotonic()
        while (left := self.placed() - await self._unloading()) != kept:
            if time.monotonic() - started > _PATIENCE:
                raise AssertionError(f"expected {kept}, last {left}\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.5)

    async def _unloading(self) -> set[str]:
        url = f"http://127.0.0.1:{self.triton.ports[0]}/v2/repository/index"
        async with self.client.post(url, headers={names.MANAGEMENT_HEADER: MANAGEMENT_KEY}) as answer:
            return {one["name"] for one in await answer.json(content_type=None) if one.get("state") == "UNLOADING"}

    async def until_answers(self, name: str) -> float:
        """Wait until a model answers; return the seconds it took."""
        started = time.monotonic()
        while True:
            try:
                if (await self.infer(name))[0] == web.HTTPOk.status_code:
                    return time.monotonic() - started
            except aiohttp.ClientError:
                pass
            if time.monotonic() - started > _PATIENCE:
                raise AssertionError(f"{name} does not answer")
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def traffic(self, name: str) -> AsyncIterator[Traffic]:
        """Ask a model without pause for as long as the block lasts."""
        traffic = Traffic()

        async def ask() -> None:
            while True:
                started = time.monotonic()
                traffic.answers.append((await self.infer(name))[0])
                traffic.seconds.append(time.monotonic() - started)
                await asyncio.sleep(0.01)

        task = asyncio.create_task(ask())
        try:
            yield traffic
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(ended, asyncio.CancelledError):
            raise AssertionError(f"asking {name} broke off") from ended  # noqa: TRY004 # no type is at fault


def digest(content: bytes) -> str:
    """Return what ``source.sha256`` must be."""
    return hashlib.sha256(content).hexdigest()
