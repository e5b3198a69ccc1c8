"""The first things an application does with Moorage, with the standard library alone: infer, embed, search.

    MOORAGE_API_KEY=... python examples/quickstart.py --url http://localhost:8080 --tenant acme

1. Classifies the held-out digit images with the model ``digits`` and prints the accuracy.
2. Creates the collection ``handbook``, whose texts the model ``embedder`` turns into vectors, loads this repository's
   documentation into it section by section, and searches the sections whose metadata says ``source: docs``.

Exits 1 when the accuracy is below 0.95, when nothing is found, or when a hit comes from another source. May be run
again: the collection is made anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = ROOT / "examples" / "digits" / "heldout.json"
MINIMUM_ACCURACY = 0.95
COLLECTION = "handbook"
DIMENSIONS = 384
"""Numbers in a vector of ``embedder``."""

QUERY = "how is one tenant kept apart from another"
FILTER = {"source": "docs"}
BATCH = 60
PATIENCE = 60.0
"""Seconds during which 503 is retried: a replica may be on its way."""

T = TypeVar("T")
Json = dict[str, Any]


class ProblemError(Exception):
    """The API's answer to a request that it refuses: an RFC 9457 problem document."""

    def __init__(self, status: int, document: Json) -> None:
        self.status = status
        self.code = document.get("code", "")
        request = document.get("request_id", "unknown")
        super().__init__(f"{status} {self.code}: {document.get('detail', '')} (request {request})")


class CheckError(Exception):
    """The API answered, and the answer is not what the quickstart promises."""


@dataclass(frozen=True)
class Api:
    """A tenant's part of the API; ``sleep`` waits between retries, in seconds."""

    url: str
    tenant: str
    key: str
    sleep: Callable[[float], None] = time.sleep

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Return the answer to one request below the tenant's base path; raises ProblemError."""
        waited = 0.0
        while True:
            try:
                return self._send(method, path, body)
            except ProblemError as problem:
                if problem.status != HTTPStatus.SERVICE_UNAVAILABLE or waited >= PATIENCE:
                    raise
            self.sleep(1.0)
            waited += 1.0

    def _send(self, method: str, path: str, body: Json | None) -> Json:
        request = urllib.request.Request(  # noqa: S310 - the user gives the address
            f"{self.url.rstrip('/')}/api/v1/tenants/{self.tenant}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with _opener(self.url).open(request, timeout=60) as answer:
                return _document(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ProblemError(error.code, _document(error.read())) from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return what sends requests: past any proxy of the environment when the API is on this machine."""
    local = urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))


def _document(body: bytes) -> Json:
    """Return the JSON object that an answer holds; anything else, such as a proxy's page, becomes its detail."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"detail": body[:200].decode(errors="replace")}


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Yield the items in order, ``size`` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def classify(api: Api, images: Sequence[Sequence[int]]) -> list[int]:
    """Return the digit that the model sees in each image (64 grey values, 0 to 16)."""
    image = {
        "name": "IMAGE",
        "datatype": "FP32",
        "shape": [len(images), 64],
        "data": [pixel for pixels in images for pixel in pixels],
    }
    answer = api.call("POST", "v2/models/digits/infer", {"inputs": [image], "outputs": [{"name": "LABEL"}]})
    labels: list[int] = answer["outputs"][0]["data"]
    return labels


def check_digits(api: Api) -> float:
    """Return the share of held-out images that the model recognises; raises CheckError when it is too small."""
    held_out = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    seen = [label for batch in batches(held_out["images"]) for label in classify(api, batch)]
    labels: list[int] = held_out["labels"]
    right = sum(one == other for one, other in zip(seen, labels, strict=True))
    accuracy = right / len(labels)
    print(f"digits: {right} of {len(seen)} held-out images recognised, accuracy {accuracy:.3f}")
    if accuracy < MINIMUM_ACCURACY:
        raise CheckError(f"accuracy {accuracy:.3f}: expected at least {MINIMUM_ACCURACY}")
    return accuracy


@dataclass(frozen=True)
class Section:
    """A heading of a Markdown page with the text below it."""

    path: str
    heading: str
    text: str

    def as_object(self) -> Json:
        """Return the section as an object of a collection; its id comes from its place."""
        source = "docs" if self.path.startswith("docs/") else "readme"
        return {
            "id": f"{self.path}#{self.heading}",
            "text": f"{self.heading}\n\n{self.text}",
            "metadata": {"source": source, "path": self.path, "heading": self.heading},
        }


def sections(path: str, markdown: str) -> list[Section]:
    """Return the sections of a page that hold any text; ``#`` inside a code block is no heading."""
    found: list[tuple[str, list[str]]] = []
    fenced = False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            found.append((line.lstrip("#").strip(), []))
        elif found:
            found[-1][1].append(line)
    texts = ((heading, "\n".join(lines).strip()) for heading, lines in found)
    return [Section(path, heading, text) for heading, text in texts if text]


def handbook(root: Path = ROOT) -> list[Section]:
    """Return every section of the repository's own documentation."""
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [
        section
        for page in pages
        for section in sections(page.relative_to(root).as_posix(), page.read_text(encoding="utf-8"))
    ]


def create_collection(api: Api) -> None:
    """Create the collection, empty: vectors of an earlier revision of the embedder would not mix with new ones."""
    try:
        api.call("DELETE", f"collections/{COLLECTION}")
    except ProblemError as problem:
        if problem.status != HTTPStatus.NOT_FOUND:
            raise
    new = {"name": COLLECTION, "dimensions": DIMENSIONS, "embedding": {"model": "embedder"}}
    api.call("POST", "collections", new)


def load(api: Api, objects: Sequence[Json]) -> None:
    """Store the objects; raises CheckError when one is not."""
    for batch in batches(objects):
        answer = api.call("POST", f"collections/{COLLECTION}/objects", {"objects": list(batch)})
        if failed := [item for item in answer["items"] if item["status"] == "failed"]:
            raise CheckError(f"{len(failed)} sections not stored; {failed[0]['id']}: {failed[0]['error']}")
    print(f"{COLLECTION}: {len(objects)} sections loaded")


def search(api: Api, text: str, top_k: int = 5) -> list[Json]:
    """Return the objects of the filter that are nearest to the text, best first."""
    query = {"text": text, "filter": FILTER, "top_k": top_k}
    hits: list[Json] = api.call("POST", f"collections/{COLLECTION}/search", query)["items"]
    return hits


def check_handbook(api: Api) -> list[Json]:
    """Load the documentation, search it and return the hits; raises CheckError when they are not what was asked."""
    create_collection(api)
    load(api, [section.as_object() for section in handbook()])
    hits = search(api, QUERY)
    print(f"{COLLECTION}: hits for {QUERY!r} where {json.dumps(FILTER)}")
    for hit in hits:
        print(f"  {hit['score']:.3f}  {hit['metadata']['path']}  {hit['metadata']['heading']}")
    if not hits:
        raise CheckError("no hits: expected at least one")
    if others := {hit["metadata"]["source"] for hit in hits} - {FILTER["source"]}:
        raise CheckError(f"hits from {sorted(others)}: expected {FILTER['source']!r} alone")
    return hits


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="address of the API, such as http://localhost:8080")
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--key-file", type=Path, help="file with the API key; without it MOORAGE_API_KEY is read")
    return parser.parse_args(arguments)


def _key(file: Path | None) -> str:
    key = file.read_text(encoding="utf-8") if file else os.environ.get("MOORAGE_API_KEY", "")
    if not key.strip():
        raise CheckError("no API key: expected --key-file or MOORAGE_API_KEY")
    return key.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both checks; 0 when both hold."""
    options = _arguments(arguments)
    try:
        api = Api(options.url, options.tenant, _key(options.key_file))
        check_digits(api)
        check_handbook(api)
    except (CheckError, ProblemError, OSError) as error:
        print(f"quickstart failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
