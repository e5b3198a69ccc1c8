"""Bring fetched files into the shape of a model folder: ``config.pbtxt`` and numbered version folders.

Separate because sources differ in shape (an archive of the folder, of its contents, one bare file) and Triton
takes only one. Also the fence that keeps code out of backends that are not code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage_agent import warmup
from moorage_agent.config_pbtxt import PYTHON
from moorage_agent.errors import ModelFilesError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "config.pbtxt"
_BESIDE_VERSIONS = (CONFIG, warmup.FOLDER)

_EXTENSIONS = {
    "python": "py",
    "onnxruntime": "onnx",
    "tensorrt": "plan",
    "pytorch": "pt",
    "tensorflow": "graphdef",
    "openvino": "xml",
    "dali": "dali",
}
"""The name Triton looks for is ``model.<extension>``; other backends keep the file's own extension."""


def arrange(folder: Path, backend: str) -> None:
    """Give ``folder`` Triton's shape, in place; raises ModelFilesError when it cannot be told."""
    _hoist(folder)
    if not any(_is_version(path) for path in folder.iterdir()):
        _make_version(folder, backend)
    if backend != PYTHON:
        _refuse_code(folder)


def _hoist(folder: Path) -> None:
    """Unwrap an archive that holds the model folder itself, as ``tar -c model`` makes it."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or _is_version(entries[0]):
        return
    wrapper = entries[0].rename(folder / ".wrapper")  # Its child may bear its own name.
    for path in wrapper.iterdir():
        path.rename(folder / path.name)
    wrapper.rmdir()


def _make_version(folder: Path, backend: str) -> None:
    """Make everything but the configuration version 1; a single file gets the name that the backend expects."""
    entries = [path for path in folder.iterdir() if path.name not in _BESIDE_VERSIONS]
    if not entries and backend != "ensemble":
        raise ModelFilesError("the source holds no model file")
    version = folder / "1"
    version.mkdir()
    alone = len(entries) == 1 and entries[0].is_file()
    for path in entries:
        path.rename(version / (_default_name(path, backend) if alone else path.name))


def _default_name(path: Path, backend: str) -> str:
    extension = _EXTENSIONS.get(backend) or path.suffix.lstrip(".")
    return f"model.{extension}" if extension else path.name


def _is_version(path: Path) -> bool:
    return path.is_dir() and path.name.isascii() and path.name.isdecimal() and not path.name.startswith("0")


def _refuse_code(folder: Path) -> None:
    """Triton runs a ``model.py`` or a library it finds beside the model, whatever backend the configuration names."""
    for path in folder.rglob("*"):
        if path.name == "model.py" or path.name.endswith(".so") or ".so." in path.name:
            raise ModelFilesError(f"{path.relative_to(folder)} is code, which only backend python may bring")
