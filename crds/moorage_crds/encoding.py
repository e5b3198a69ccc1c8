"""JSON that YAML reads alike.

Separate because every program sends server-side applies: the API server reads their bodies as YAML, which knows no
surrogate pairs and folds some line separators that JSON leaves alone.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SURROGATES = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


def as_yaml(value: Any) -> str:
    """Return ``value`` as one line of ASCII: JSON, but with YAML's escape for characters beyond the basic plane."""
    text = json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")
    return _SURROGATES.sub(_one_character, text)


def _one_character(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16) - 0xD800, int(pair[2], 16) - 0xDC00
    return f"\\U{0x10000 + (high << 10) + low:08x}"
