"""Structured logs: one line of JSON each, on standard error.

Separate so that a line's shape is decided once: time, level, logger, message and the fields given with it.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

_FIELDS = "moorage_fields"


def fields(**values: Any) -> dict[str, Any]:
    """Return the ``extra`` of a log call that adds these fields to its line. Never give a manifest or a header."""
    return {_FIELDS: values}


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: int = logging.INFO) -> None:
    """Send every logger's lines to standard error in this shape.

    Kopf's line per event and object is of no use here: its events only enqueue keys. Nor is one per probe.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf.activities").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
