from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_agent.errors import ModelFilesError
from moorage_agent.layout import arrange

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = {
    "the folder's contents": (["1/model.py", "config.pbtxt"], "python", ["1/model.py", "config.pbtxt"]),
    "the folder itself": (["mine/1/model.onnx", "mine/config.pbtxt"], "onnxruntime", ["1/model.onnx", "config.pbtxt"]),
    "a folder in a folder of its name": (["a/a/x.bin", "a/1/model.py"], "python", ["1/model.py", "a/x.bin"]),
    "two versions": (["1/model.pt", "2/model.pt"], "pytorch", ["1/model.pt", "2/model.pt"]),
    "one version folder alone": (["1/model.plan"], "tensorrt", ["1/model.plan"]),
    "a bare python file": (["code.py"], "python", ["1/model.py"]),
    "a bare onnx file": (["resnet50-v2.onnx"], "onnxruntime", ["1/model.onnx"]),
    "a bare file without a name": (["model"], "pytorch", ["1/model.pt"]),
    "a bare file of an unknown backend": (["weights.xyz"], "special", ["1/model.xyz"]),
    "a bare file with a configuration": (["net.onnx", "config.pbtxt"], "onnxruntime", ["1/model.onnx", "config.pbtxt"]),
    "files without a version": (["model.py", "util.py"], "python", ["1/model.py", "1/util.py"]),
    "an ensemble": (["config.pbtxt"], "ensemble", ["config.pbtxt"]),
    "labels beside a version": (["labels.txt", "1/model.onnx"], "onnxruntime", ["1/model.onnx", "labels.txt"]),
}


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


@pytest.mark.parametrize("case", SHAPES)
def test_a_source_gets_tritons_shape(case: str, tmp_path: Path) -> None:
    names, backend, expected = SHAPES[case]
    write(tmp_path, names)
    arrange(tmp_path, backend)
    assert files(tmp_path) == expected


def test_a_source_without_a_model_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ["config.pbtxt"])
    with pytest.raises(ModelFilesError, match="no model file"):
        arrange(tmp_path, "python")


@pytest.mark.parametrize(
    "name", ["1/model.py", "model.py", "1/libtriton_onnxruntime.so", "1/lib/evil.so.1", "libtriton_onnxruntime.so"]
)
def test_code_is_refused_unless_the_backend_is_code(name: str, tmp_path: Path) -> None:
    write(tmp_path, ["1/model.onnx", name])
    with pytest.raises(ModelFilesError, match="is code"):
        arrange(tmp_path, "onnxruntime")


def test_code_is_what_a_python_model_is(tmp_path: Path) -> None:
    write(tmp_path, ["1/model.py", "1/fast.so"])
    arrange(tmp_path, "python")
    assert files(tmp_path) == ["1/fast.so", "1/model.py"]
