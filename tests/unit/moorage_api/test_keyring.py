"""No process without its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_api import keyring
from moorage_api.__main__ import main
from tests.support.api import write_secrets

if TYPE_CHECKING:
    from pathlib import Path


def test_the_secrets_are_read_without_the_newline_at_their_end(tmp_path: Path) -> None:
    folder = write_secrets(tmp_path / "secrets")
    (folder / keyring.PEPPER).write_text("p" * 40 + "\n")

    assert keyring.load(folder).pepper == b"p" * 40


@pytest.mark.parametrize("name", keyring.KEYS)
def test_an_absent_secret_is_named(tmp_path: Path, name: str) -> None:
    folder = write_secrets(tmp_path / "secrets")
    (folder / name).unlink()

    with pytest.raises(keyring.MissingSecretError, match=f"{name}.*bootstrap"):
        keyring.load(folder)


def test_a_short_secret_is_refused_without_being_shown(tmp_path: Path) -> None:
    folder = write_secrets(tmp_path / "secrets")
    (folder / keyring.JWT_KEY).write_text("changethis")

    with pytest.raises(keyring.MissingSecretError, match="jwt-key has 10 bytes") as error:
        keyring.load(folder)
    assert "changethis" not in str(error.value)


def test_printing_the_keyring_shows_nothing(tmp_path: Path) -> None:
    assert repr(keyring.load(write_secrets(tmp_path / "secrets"))) == "Keyring()"


def test_serve_without_secrets_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOORAGE_SECRETS_DIR", str(tmp_path / "nothing"))

    assert main(["serve"]) == 1
    assert "jwt-key" in capsys.readouterr().err
