"""A loopback server that speaks the part of the API that the quickstart uses, with knobs for what may go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

KEY = "moor_test"
BASE = "/api/v1/tenants/acme/"

Json = dict[str, Any]
Answer = tuple[int, Json]


@dataclass
class Tenant:
    """What the tenant's part of the API knows, and how it misbehaves."""

    labels: dict[tuple[float, ...], int]
    """What the model sees in an image."""
    collections: dict[str, Json] = field(default_factory=dict)
    objects: dict[str, Json] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    unavailable: int = 0
    """How many of the next requests are answered with 503."""
    ignores_filter: bool = False
    finds_nothing: bool = False
    stores_nothing: bool = False

    def answer(self, method: str, path: str, body: Json) -> Answer:
        if self.unavailable:
            self.unavailable -= 1
            return _problem(503, "no-ready-replica", "No ready replica holds the model.")
        return self._route(method, path, body)

    def _route(self, method: str, path: str, body: Json) -> Answer:
        match [method, *path.removeprefix(BASE).split("/")]:
            case ["POST", "v2", "models", "digits", "infer"]:
                return self._infer(body)
            case ["POST", "collections"]:
                return self._create(body)
            case ["DELETE", "collections", name] if name in self.collections:
                del self.collections[name]
                self.objects.clear()
                return 204, {}
            case ["POST", "collections", name, "objects"] if name in self.collections:
                return self._store(body["objects"])
            case ["POST", "collections", name, "search"] if name in self.collections:
                return 200, {"items": self._search(body)}
        return _problem(404, "not-found", f"There is no {path}.")

    def _infer(self, body: Json) -> Answer:
        (tensor,) = body["inputs"]
        count, pixels = tensor["shape"]
        if len(tensor["data"]) != count * pixels:
            return _problem(400, "model-refused", "The shape does not fit the data.")
        images = (tuple(tensor["data"][start : start + pixels]) for start in range(0, count * pixels, pixels))
        labels = [self.labels[image] for image in images]
        return 200, {"outputs": [{"name": "LABEL", "datatype": "INT64", "shape": [count, 1], "data": labels}]}

    def _create(self, body: Json) -> Answer:
        if body["name"] in self.collections:
            return _problem(409, "conflict", "The collection exists.")
        self.collections[body["name"]] = body
        return 201, body

    def _store(self, objects: list[Json]) -> Answer:
        if self.stores_nothing:
            items = [{"id": each["id"], "status": "failed", "error": "The disk is full."} for each in objects]
            return 200, {"stored": 0, "failed": len(items), "items": items}
        self.objects |= {each["id"]: each for each in objects}
        stored = [{"id": each["id"], "status": "stored", "error": None} for each in objects]
        return 200, {"stored": len(stored), "failed": 0, "items": stored}

    def _search(self, body: Json) -> list[Json]:
        if self.finds_nothing:
            return []
        wanted = {} if self.ignores_filter else body["filter"]
        hits = [each for each in self.objects.values() if wanted.items() <= each["metadata"].items()]
        return [{**each, "score": 0.5} for each in hits[: body["top_k"]]]


def _problem(status: int, code: str, detail: str) -> Answer:
    return status, {"status": status, "code": code, "detail": detail, "request_id": "r-1"}


@contextmanager
def serve(tenant: Tenant) -> Iterator[str]:
    """Yield the address of a server for the tenant."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_DELETE(self) -> None:
            self._respond({})

        def _respond(self, body: Json) -> None:
            tenant.requests.append((self.command, self.path))
            known = self.headers["Authorization"] == f"Bearer {KEY}"
            refused = _problem(401, "unauthenticated", "No.")
            status, answer = tenant.answer(self.command, self.path, body) if known else refused
            content = json.dumps(answer).encode() if status != HTTPStatus.NO_CONTENT else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
