"""The whole product on a cluster of its own, as ``make e2e`` has brought it up."""

from __future__ import annotations

import base64
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from typing_extensions import override

from localcluster import layout
from mainjob import providers, quickstart
from mainjob.kubectl import CommandError, Kubectl
from mainjob.providers import SYSTEM_NAMESPACE
from tests.e2e.node import Node
from tests.e2e.table import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from tests.e2e.traffic import Outcome

CLUSTER = "moorage-test"
ROWS = pytest.StashKey[list[tuple[str, "Outcome"]]]()
"""Scenario and outcome, in the order they ran."""


class Login(httpx.Auth):
    """The platform admin's access token, fetched anew when the API refuses it: it lasts ten minutes."""

    requires_response_body = True

    def __init__(self, name: str, password: str, url: str) -> None:
        self._body = {"name": name, "password": password}
        self._url = url
        self._token = ""

    @override
    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the token, and once more with a new one after 401."""
        answer = yield self._signed(request)
        if answer.status_code == 401:
            answer = yield httpx.Request("POST", f"{self._url}/api/v1/auth/login", json=self._body)
            self._token = answer.json()["access_token"]
            yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class Moorage:
    """A running installation: its cluster, its API and a key of tenant acme."""

    kubectl: Kubectl
    url: str
    key_file: Path

    @property
    def key(self) -> str:
        """The API key of service account ``quickstart``."""
        return self.key_file.read_text().strip()

    def client(self, token: str | None) -> httpx.Client:
        """Return an HTTP client of the API with one bearer token, or with none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests with kubectl."""
        self.kubectl.run("apply", "--filename=-", stdin=yaml.safe_dump_all(manifests))

    def exists(self, *args: str) -> bool:
        """Tell whether ``kubectl get`` finds an object."""
        return bool(self.kubectl.run("get", *args, "--ignore-not-found", "--output=name").strip())


def eventually(what: str, check: Callable[[], object], patience: float = 60) -> None:
    """Wait until ``check`` returns something true; an HTTP or kubectl error counts as not yet."""
    deadline, last = time.monotonic() + patience, "it was false"
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except (httpx.HTTPError, CommandError) as error:
            last = str(error)
        time.sleep(0.25)
    pytest.fail(f"{what} did not come true within {patience:.0f} s: {last}")


@pytest.fixture(scope="session")
def moorage() -> Iterator[Moorage]:
    """The installation under test."""
    where = layout.named(CLUSTER)
    provider = providers.named(os.environ.get("PROVIDER", "local"), where)
    kubectl = provider.kubectl()
    with provider.reach_api() as url:
        key_file = where.state / "api-key"
        quickstart.ensure_key(kubectl, url, key_file)
        yield Moorage(kubectl, url, key_file)


@pytest.fixture(scope="session")
def admin(moorage: Moorage) -> Iterator[httpx.Client]:
    """The API as the platform's admin sees it."""
    secret = moorage.kubectl.get("secret", "moorage-initial-admin", "--namespace", SYSTEM_NAMESPACE)["data"]
    name, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
    login = Login(name, password, moorage.url)
    with httpx.Client(base_url=f"{moorage.url}/api/v1", auth=login, timeout=60) as client:
        yield client


@pytest.fixture
def developer(moorage: Moorage) -> Iterator[httpx.Client]:
    """The API as service account ``quickstart`` of tenant acme sees it."""
    with moorage.client(moorage.key) as client:
        yield client


@pytest.fixture(scope="session")
def node() -> Node:
    """The node of the cluster under test."""
    return Node(layout.named(CLUSTER), os.environ.get("PROVIDER", "local"))


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config) -> Callable[[str, Outcome], None]:
    """Enter a scenario's outcome into the table at the end of the run."""
    rows = pytestconfig.stash.setdefault(ROWS, [])
    return lambda scenario, outcome: rows.append((scenario, outcome))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what requests met in each scenario."""
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("requests during each scenario")
        for line in lines(rows):
            terminalreporter.write_line(line)
