"""The application whose OpenAPI document says what really comes: errors are problem documents, not plain JSON."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from typing_extensions import override

from moorage_api.errors import MEDIA_TYPE

_JSON = "application/json"


class Application(FastAPI):
    """FastAPI describes every body with the media type of the route's good answer; this puts the errors right."""

    @override
    def openapi(self) -> dict[str, Any]:
        """Return the document; built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            for error in _errors(document):
                content = error.get("content", {})
                if _JSON in content:
                    error["content"] = {MEDIA_TYPE: content[_JSON]}
        return self.openapi_schema or {}


def _errors(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the descriptions of all answers from 400 up."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    yield answer
