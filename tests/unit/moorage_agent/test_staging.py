from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from moorage_agent.errors import FetchError, ModelFilesError, SourceChangedError
from moorage_agent.repository import OnDisk, Repository
from moorage_agent.sources import INLINE, Sources
from moorage_agent.sources.inline import Inline
from moorage_agent.staging import stage
from moorage_crds.errors import MoorageError
from tests.unit.moorage_agent.build import revision, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from moorage_agent.revisions import Revision
    from moorage_agent.settings import Network
    from moorage_agent.sources.budget import Budget
    from moorage_crds.modeldeployment import Source

SOURCES = Sources({INLINE: Inline()})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path, limit=1 << 20)
    made.open()
    return made


def staged(tmp_path: Path, revision: Revision, name: str) -> str:
    return (tmp_path / "staging" / revision.triton_name / name).read_text()


async def test_a_revision_is_staged_with_its_configuration(repository: Repository, tmp_path: Path) -> None:
    a = revision("a")
    await stage(a, SOURCES, repository)
    assert repository.on_disk() == OnDisk(staged=frozenset({a.triton_name}))
    assert f'name: "{a.triton_name}"' in staged(tmp_path, a, "config.pbtxt")
    assert f'string_value: "{a.hash}"' in staged(tmp_path, a, "config.pbtxt")


async def test_a_bare_inline_file_becomes_version_one(repository: Repository, tmp_path: Path) -> None:
    a = revision("a", snapshot(files={"model.py": "x = 1\n"}))
    await stage(a, SOURCES, repository)
    assert staged(tmp_path, a, "1/model.py") == "x = 1\n"


async def test_a_source_with_its_own_configuration_keeps_it(repository: Repository, tmp_path: Path) -> None:
    a = revision("a", snapshot(files={"1/model.py": "", "config.pbtxt": 'name: "x" max_batch_size: 7'}))
    await stage(a, SOURCES, repository)
    text = staged(tmp_path, a, "config.pbtxt")
    assert "max_batch_size: 7" in text
    assert f'name: "{a.triton_name}"' in text


async def test_a_spec_without_backend_and_config_is_python(repository: Repository, tmp_path: Path) -> None:
    a = revision("a", snapshot(backend=None, config=None))
    await stage(a, SOURCES, repository)
    assert 'backend: "python"' in staged(tmp_path, a, "config.pbtxt")


class Asked:
    """A fetcher that remembers which Secrets it was to use."""

    def __init__(self) -> None:
        self.secrets: list[str | None] = []
        self.reach: tuple[Network, ...] = ()

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        reference = source.credentials_secret_ref
        self.secrets.append(reference.name if reference else None)
        self.reach = budget.reach
        await SOURCES.fetch(source, into, budget)


async def test_a_source_is_fetched_with_the_secret_that_the_revision_names_now(repository: Repository) -> None:
    asked, plain = Asked(), revision("a")
    await stage(plain, asked, repository)
    await stage(replace(plain, credentials="mine"), asked, repository)
    assert asked.secrets == [None, "mine"]


async def test_a_source_may_lead_where_the_tenant_opens_its_network(repository: Repository) -> None:
    asked, plain = Asked(), revision("a")
    await stage(replace(plain, egress="10.1.2.3/8,fd00::/8"), asked, repository)
    assert asked.reach == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    with pytest.raises(FetchError, match="of the Tenant"):
        await stage(replace(plain, egress="10.0.0.0/99"), asked, repository)


async def test_a_secrets_name_that_is_a_path_is_refused(repository: Repository) -> None:
    with pytest.raises(FetchError, match="not readable"):
        await stage(replace(revision("a"), credentials="../moorage-credentials"), SOURCES, repository)


class Folder:
    """A source that is a folder, whose files may change."""

    def __init__(self, content: str = "one") -> None:
        self.content = content

    async def fetch(self, _source: Source, into: Path, _budget: Budget) -> None:
        (into / "1").mkdir()
        (into / "1" / "model.py").write_text(self.content)


async def test_a_folders_digest_is_kept_with_it(repository: Repository) -> None:
    a = revision("a", snapshot(source={"uri": "s3://models/a"}))
    await stage(a, Folder(), repository)
    before = repository.on_disk().digests
    repository.place(a.triton_name)
    assert before.keys() == {a.triton_name}
    assert repository.on_disk().digests == before


async def test_a_folder_that_is_as_it_was_is_staged_again(repository: Repository) -> None:
    a = revision("a", snapshot(source={"uri": "s3://models/a"}))
    await stage(a, Folder(), repository)
    digest = repository.on_disk().digests[a.triton_name]
    repository.delete(a.triton_name)
    await stage(replace(a, digest=digest), Folder(), repository)
    with pytest.raises(SourceChangedError, match=digest):
        await stage(replace(a, digest=digest), Folder("two"), repository)
    assert repository.on_disk() == OnDisk()


async def test_what_promises_its_content_has_no_digest(repository: Repository) -> None:
    source = {"uri": "s3://models/a.zip", "sha256": "0" * 64}
    for a in (revision("a"), revision("b", snapshot("b", source=source))):
        await stage(a, Folder(), repository)
    assert repository.on_disk().digests == {}


BAD: dict[str, tuple[dict[str, Any], type[MoorageError], str]] = {
    "a path outside": ({"files": {"../evil": "x"}}, MoorageError, "leaves"),
    "a broken configuration": ({"files": {"1/model.py": "", "config.pbtxt": "frob: 1"}}, ModelFilesError, "frob"),
    "a folder as configuration": ({"files": {"1/model.py": "", "config.pbtxt/x": ""}}, ModelFilesError, "no file"),
    "no model": ({"files": {"config.pbtxt": ""}}, ModelFilesError, "no model file"),
    "code for another backend": ({"backend": "onnxruntime"}, ModelFilesError, "is code"),
    "an unknown source": ({"source": {"uri": "s3://b/k"}}, FetchError, "not readable"),
    "an unknown scheme": ({"source": {"uri": "https://x/y", "sha256": "0" * 64}}, FetchError, "expected a source of"),
    "larger than the store": ({"files": {"1/model.py": "x" * (1 << 20)}}, FetchError, "not readable"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_source_leaves_nothing(case: str, repository: Repository, tmp_path: Path) -> None:
    changes, error, message = BAD[case]
    with pytest.raises(error, match=message):
        await stage(revision("a", snapshot(**changes)), SOURCES, repository)
    assert repository.on_disk() == OnDisk()
    assert list((tmp_path / "staging").iterdir()) == []


async def test_a_full_store_takes_no_more(tmp_path: Path) -> None:
    small = Repository(tmp_path, limit=100)
    small.open()
    with pytest.raises(FetchError, match="larger than the room"):
        await stage(revision("a", snapshot(files={"1/model.py": "x" * 100})), SOURCES, small)


async def test_an_ensemble_needs_no_files(repository: Repository, tmp_path: Path) -> None:
    a = revision("a", snapshot(backend="ensemble", source={}))
    await stage(a, SOURCES, repository)
    assert 'platform: "ensemble"' in staged(tmp_path, a, "config.pbtxt")
    assert repository.on_disk().digests == {}
