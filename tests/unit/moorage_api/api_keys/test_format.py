"""What an API key looks like."""

from __future__ import annotations

import pytest

from moorage_api.api_keys import format as key_format


def test_a_generated_key_parses_to_itself() -> None:
    key = key_format.generate()

    assert key_format.parse(key.text) == key
    assert key.text.startswith(f"moor_{key.prefix}_")


def test_a_known_key_keeps_its_checksum_for_ever() -> None:
    secret = "0123456789" * 4 + "abc"

    assert key_format.parse(f"moor_abcd1234_{secret}1U5rsL") is not None


def test_one_wrong_letter_is_noticed() -> None:
    text = key_format.generate().text
    for position in range(len("moor_"), len(text)):
        other = "a" if text[position] != "a" else "b"
        assert key_format.parse(text[:position] + other + text[position + 1 :]) is None


@pytest.mark.parametrize("text", ["", "moor_", "eyJhbGciOiJIUzI1NiJ9.e30.x", "moor_ABCDEFGH_" + "a" * 49])
def test_anything_else_is_no_key(text: str) -> None:
    assert key_format.parse(text) is None


def test_printing_a_key_shows_its_prefix_alone() -> None:
    key = key_format.generate()

    assert repr(key) == f"ApiKey(prefix={key.prefix!r})"


def test_the_digest_depends_on_the_pepper() -> None:
    text = key_format.generate().text

    assert key_format.digest(text, b"one") != key_format.digest(text, b"two")
