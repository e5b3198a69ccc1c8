"""The durations that ``create-key`` takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorage_api.__main__ import main
from moorage_api.commands.create_key import duration
from moorage_crds.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("24h", timedelta(hours=24)), ("30m", timedelta(minutes=30)), ("7d", timedelta(days=7))],
)
def test_these_are_durations(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "24", "h", "0h", "-1h", "1.5h", "1w", "24h ", "9999999d"])
def test_these_are_not(text: str) -> None:
    with pytest.raises(InvalidInputError, match="24h"):
        duration(text)


def test_a_wrong_duration_is_told_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["create-key", "--tenant", "acme", "--service-account", "ci", "--role", "user", "--expires", "soon"]

    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert "soon" in captured.err
    assert captured.out == ""
