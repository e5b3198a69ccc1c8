"""From a revision to a complete staged folder: fetch, arrange, configure, bring to the disk.

Separate because it is the one sequence in which sources, layout, configuration and store meet.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import TYPE_CHECKING

from pydantic import ValidationError

from moorage_agent import config_pbtxt, layout
from moorage_agent.errors import ConfigError, FetchError, SourceChangedError
from moorage_agent.repository import DIGEST, WARMUP
from moorage_agent.sources import manifest
from moorage_agent.sources.budget import Budget
from moorage_crds.modelconfig import Config
from moorage_crds.modeldeployment import Source
from moorage_crds.schema import SecretReference

if TYPE_CHECKING:
    from pathlib import Path

    from moorage_agent.repository import Repository
    from moorage_agent.revisions import Revision
    from moorage_agent.settings import Network
    from moorage_agent.sources import Fetcher

_DEFAULT_BACKEND = config_pbtxt.PYTHON
_MAX_CONFIG = 1 << 20
_NONE = Source()
"""The source of an ensemble, which needs no files."""


async def stage(revision: Revision, sources: Fetcher, repository: Repository) -> None:
    """Bring a revision into the store, staged; raises MoorageError or OSError and leaves nothing then."""
    source, backend, config = _read(revision)
    name = revision.triton_name
    folder = await asyncio.to_thread(repository.begin, name)
    try:
        budget = Budget(await asyncio.to_thread(repository.room), reach=_reach(revision))
        if source != _NONE:
            await sources.fetch(source, folder, budget)
        digest = await asyncio.to_thread(_proven, source, folder, revision)
        await asyncio.to_thread(_finish, revision, folder, backend, config)
        if digest:
            await asyncio.to_thread((folder / DIGEST).write_text, digest, encoding="ascii")
        await asyncio.to_thread(repository.complete, name)
    except BaseException:
        # Not awaited in a thread: a cancelled task could not wait for it.
        repository.delete(name)
        raise


def _read(revision: Revision) -> tuple[Source, str, Config]:
    data = revision.snapshot()
    try:
        source = _with_credentials(Source.model_validate(data["source"]), revision.credentials)
        config = Config.model_validate(data.get("config") or {})
    except (KeyError, ValidationError) as error:
        raise FetchError(f"the revision's data are not readable: {error}") from error
    return source, data.get("backend") or _DEFAULT_BACKEND, config


def _reach(revision: Revision) -> tuple[Network, ...]:
    """Return the ranges that the Tenant opens to its sources; raises FetchError for what is none."""
    try:
        return tuple(ip_network(part, strict=False) for part in revision.egress.split(",") if part)
    except ValueError as error:
        raise FetchError(f"spec.network.egress of the Tenant: {error}") from error


def _with_credentials(source: Source, secret: str | None) -> Source:
    """Return the source with the Secret, which is no part of the snapshot."""
    reference = SecretReference(name=secret) if secret else None
    return source.model_copy(update={"credentials_secret_ref": reference})


def _proven(source: Source, folder: Path, revision: Revision) -> str | None:
    """Return the manifest digest of a source that promises none, and so is held to its first; None for any other."""
    if source == _NONE or source.inline or source.sha256:
        return None
    found = manifest.digest(folder)
    if revision.digest not in (None, found):
        raise SourceChangedError(f"expected the files first fetched, manifest digest {revision.digest}; got {found}")
    return found


def _finish(revision: Revision, folder: Path, backend: str, config: Config) -> None:
    layout.arrange(folder, backend)
    path = folder / layout.CONFIG
    written = config_pbtxt.written(revision, backend, config, _own(path))
    path.write_text(written.text, encoding="utf-8")
    warmup = folder / WARMUP
    warmup.unlink(missing_ok=True)
    if written.warmup:
        warmup.write_text(written.warmup, encoding="utf-8")


def _own(path: Path) -> str | None:
    """Return the source's own configuration, None without one."""
    if not path.exists():
        return None
    if not path.is_file() or path.stat().st_size > _MAX_CONFIG:
        raise ConfigError(f"{layout.CONFIG} is no file or larger than 1 MiB")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{layout.CONFIG} is not UTF-8 text") from error
