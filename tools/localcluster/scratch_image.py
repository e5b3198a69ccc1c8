"""Write an OCI image archive that holds a few files and no base, with nothing but the standard library.

Separate because the cluster has no registry and needs images before any image builder runs: a static binary
on an empty root is a tar in a tar. The bytes depend only on the arguments, so the same binary always gives
the same image id and an importer can skip it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 1 << 20
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


def write_image(
    path: Path,
    name: str,
    *,
    files: Mapping[str, Path],
    links: Mapping[str, str] | None = None,
    directories: Mapping[str, int] | None = None,
    config: Mapping[str, object] | None = None,
) -> str:
    """Write an OCI archive for ``ctr -n k8s.io images import`` and return its manifest digest.

    ``name`` is the full reference pods use (``moorage.local/coredns:1``). ``files`` maps an absolute path in
    the image to a local file (mode 0755, owned by root), ``links`` a path to its symlink target, and
    ``directories`` a path to its mode (parents are made without asking). ``config`` is the OCI run
    configuration: Entrypoint, Cmd, User, Env, WorkingDir. An interrupted write leaves no file at ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent) as layer:
        _write_layer(layer, _Content(files, links or {}, directories or {}))
        blobs = _describe(name, layer, config or {})
        staging = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            _write_archive(staging, blobs, layer)
            staging.rename(path)
        finally:
            staging.unlink(missing_ok=True)
    return blobs.manifest.digest


@dataclass(frozen=True)
class _Content:
    files: Mapping[str, Path]
    links: Mapping[str, str]
    directories: Mapping[str, int]

    def modes(self) -> dict[str, int]:
        """Return every directory with its mode, parents first, so that extraction never meets a missing one."""
        wanted = {parent: 0o755 for path in (*self.files, *self.links, *self.directories) for parent in _parents(path)}
        wanted |= {_inside(path): mode for path, mode in self.directories.items()}
        return dict(sorted(wanted.items()))


@dataclass(frozen=True)
class _Blob:
    digest: str
    size: int
    media_type: str
    data: bytes = field(default=b"", repr=False)

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    @property
    def member(self) -> str:
        return "blobs/" + self.digest.replace(":", "/")


@dataclass(frozen=True)
class _Blobs:
    layer: _Blob
    config: _Blob
    manifest: _Blob
    index: bytes


def _write_layer(out: IO[bytes], content: _Content) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, mode in content.modes().items():
            tar.addfile(_entry(path + "/", tarfile.DIRTYPE, mode))
        for path, source in sorted(content.files.items()):
            with source.open("rb") as data:
                tar.addfile(_entry(_inside(path), tarfile.REGTYPE, 0o755, source.stat().st_size), data)
        for path, target in sorted(content.links.items()):
            tar.addfile(_entry(_inside(path), tarfile.SYMTYPE, 0o777, link=target))


def _entry(name: str, kind: bytes, mode: int, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """Return a header without owner names or times, which would differ between machines."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, link
    return entry


def _describe(name: str, layer: IO[bytes], config: Mapping[str, object]) -> _Blobs:
    layer_blob = _measure(layer)
    config_blob = _blob(_CONFIG_TYPE, _image_config(config, layer_blob.digest))
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": config_blob.descriptor,
        "layers": [layer_blob.descriptor],
    }
    manifest_blob = _blob(_MANIFEST_TYPE, manifest)
    return _Blobs(layer_blob, config_blob, manifest_blob, _json(_index(name, manifest_blob)))


def _image_config(config: Mapping[str, object], layer_digest: str) -> dict[str, object]:
    return {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }


def _index(name: str, manifest: _Blob) -> dict[str, object]:
    # containerd reads the first annotation, every other reader of OCI archives the second.
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    return {"schemaVersion": 2, "manifests": [{**manifest.descriptor, "annotations": annotations}]}


def _write_archive(path: Path, blobs: _Blobs, layer: IO[bytes]) -> None:
    with tarfile.open(path, mode="w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", blobs.index)
        _add(tar, blobs.manifest.member, blobs.manifest.data)
        _add(tar, blobs.config.member, blobs.config.data)
        layer.seek(0)
        tar.addfile(_entry(blobs.layer.member, tarfile.REGTYPE, 0o644, blobs.layer.size), layer)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, tarfile.REGTYPE, 0o644, len(data)), io.BytesIO(data))


def _measure(layer: IO[bytes]) -> _Blob:
    """Hash the layer as a stream: it may be larger than is sensible to hold in memory."""
    layer.seek(0)
    digest = hashlib.sha256()
    while chunk := layer.read(_CHUNK):
        digest.update(chunk)
    return _Blob(f"sha256:{digest.hexdigest()}", layer.tell(), _LAYER_TYPE)


def _blob(media_type: str, content: Mapping[str, object]) -> _Blob:
    data = _json(content)
    return _Blob(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), media_type, data)


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _inside(path: str) -> str:
    if not path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ValueError(f"a path in an image must be absolute and without '..', not {path!r}")
    return path.strip("/")


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(_inside(path)).parents if str(parent) != "."]
