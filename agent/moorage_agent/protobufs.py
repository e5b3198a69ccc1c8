"""The generated protobuf modules of the tritonclient, without the client around them.

Separate because importing them the plain way costs every pod 13 MiB: the package's own ``__init__`` imports its
client and with it numpy, neither of which the agent uses.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_PACKAGE = "tritonclient.grpc"


def _module(name: str) -> Any:
    """Import one module of the package, whose place is taken by an empty one with the same folder."""
    if _PACKAGE not in sys.modules:
        empty = ModuleType(_PACKAGE)
        found = find_spec("tritonclient")
        empty.__path__ = [f"{folder}/grpc" for folder in (found.submodule_search_locations if found else None) or ()]
        sys.modules[_PACKAGE] = empty
    return import_module(f"{_PACKAGE}.{name}")


model_config_pb2 = _module("model_config_pb2")
service_pb2 = _module("service_pb2")
service_pb2_grpc = _module("service_pb2_grpc")
