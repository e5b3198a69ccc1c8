"""The quickstart against a loopback server that speaks the API's wire shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import quickstart
from tests.unit.examples.loopback import KEY, Tenant, serve

PAGE = """\
Nothing above the first heading counts.
# Title
Introduction.

## Empty
## Code
```
# no heading
```
After.
"""


def held_out() -> dict[tuple[float, ...], int]:
    document = json.loads(quickstart.HELD_OUT.read_text(encoding="utf-8"))
    return {tuple(image): label for image, label in zip(document["images"], document["labels"], strict=True)}


@pytest.fixture
def tenant() -> Tenant:
    return Tenant(held_out())


@pytest.fixture
def url(tenant: Tenant) -> Iterator[str]:
    with serve(tenant) as address:
        yield address


@pytest.fixture
def api(url: str) -> quickstart.Api:
    return quickstart.Api(url, "acme", KEY, sleep=lambda _: None)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY + "\n", encoding="utf-8")
    return file


def test_all_checks_hold_and_say_what_they_found(
    url: str, key_file: Path, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quickstart.main(["--url", url, "--tenant", "acme", "--key-file", str(key_file)]) == 0
    printed = capsys.readouterr().out
    assert "360 of 360 held-out images recognised, accuracy 1.000" in printed
    assert f"handbook: {len(tenant.objects)} sections loaded" in printed
    assert "  0.500  docs/" in printed


def test_it_may_be_run_again_and_leaves_nothing_of_the_run_before(api: quickstart.Api, tenant: Tenant) -> None:
    quickstart.check_handbook(api)
    first = dict(tenant.objects)
    tenant.objects["docs/gone.md#Gone"] = {"id": "docs/gone.md#Gone", "metadata": {"source": "docs"}}
    quickstart.check_handbook(api)
    assert tenant.objects == first


def test_an_object_that_is_not_stored_fails(api: quickstart.Api, tenant: Tenant) -> None:
    tenant.stores_nothing = True
    with pytest.raises(quickstart.CheckError, match=r"README\.md#Moorage: The disk is full\."):
        quickstart.check_handbook(api)


def test_the_key_may_come_from_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_API_KEY", KEY)
    assert quickstart.main(["--url", url]) == 0


def test_no_key_is_an_error_of_its_own(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MOORAGE_API_KEY", raising=False)
    assert quickstart.main(["--url", url]) == 1
    assert "expected --key-file or MOORAGE_API_KEY" in capsys.readouterr().err


def test_images_are_sent_in_batches_no_larger_than_the_model_takes(api: quickstart.Api, tenant: Tenant) -> None:
    quickstart.check_digits(api)
    assert len(tenant.requests) == 6
    assert quickstart.BATCH <= 64


def test_too_small_an_accuracy_fails(
    url: str, key_file: Path, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant.labels = dict.fromkeys(tenant.labels, 3)
    assert quickstart.main(["--url", url, "--key-file", str(key_file)]) == 1
    assert "expected at least 0.95" in capsys.readouterr().err


def test_a_hit_from_another_source_fails(api: quickstart.Api, tenant: Tenant) -> None:
    tenant.ignores_filter = True
    with pytest.raises(quickstart.CheckError, match=r"hits from \['readme'\]"):
        quickstart.check_handbook(api)


def test_no_hits_fail(api: quickstart.Api, tenant: Tenant) -> None:
    tenant.finds_nothing = True
    with pytest.raises(quickstart.CheckError, match="no hits"):
        quickstart.check_handbook(api)


def test_a_refusal_shows_code_detail_and_request(url: str) -> None:
    stranger = quickstart.Api(url, "acme", "moor_other")
    with pytest.raises(quickstart.ProblemError, match=r"401 unauthenticated: No\. \(request r-1\)"):
        stranger.call("POST", "collections", {"name": "x"})


def test_a_refusal_to_delete_the_old_collection_is_not_hidden(api: quickstart.Api, tenant: Tenant) -> None:
    tenant.unavailable = int(quickstart.PATIENCE) + 1
    with pytest.raises(quickstart.ProblemError, match="503 no-ready-replica"):
        quickstart.create_collection(api)


def test_an_unavailable_model_is_waited_for(api: quickstart.Api, tenant: Tenant) -> None:
    tenant.unavailable = 3
    assert quickstart.check_digits(api) == 1


def test_nobody_there_is_a_message_and_no_traceback(key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quickstart.main(["--url", "http://127.0.0.1:9", "--key-file", str(key_file)]) == 1
    assert "quickstart failed: " in capsys.readouterr().err


def test_a_page_is_split_at_its_headings() -> None:
    found = [(section.heading, section.text) for section in quickstart.sections("docs/page.md", PAGE)]
    assert found == [("Title", "Introduction."), ("Code", "```\n# no heading\n```\nAfter.")]


@pytest.mark.parametrize(("path", "source"), [("docs/index.md", "docs"), ("README.md", "readme")])
def test_a_section_tells_where_it_comes_from(path: str, source: str) -> None:
    metadata = quickstart.Section(path, "Title", "text").as_object()["metadata"]
    assert metadata == {"source": source, "path": path, "heading": "Title"}


def test_no_two_sections_of_the_documentation_share_an_id() -> None:
    ids = [section.as_object()["id"] for section in quickstart.handbook()]
    assert len(set(ids)) == len(ids)


def test_the_handbook_has_pages_of_both_sources() -> None:
    sources = {section.as_object()["metadata"]["source"] for section in quickstart.handbook()}
    assert sources == {"docs", "readme"}
