"""Access tokens: everything that is not exactly ours is refused, with one error."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from moorage_api.auth import tokens
from moorage_api.errors import AuthenticationError

KEY = b"k" * 64
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LIFE = timedelta(minutes=10)


def claims(**changes: Any) -> dict[str, Any]:
    issued = tokens.issue("subject", "session", KEY, NOW, LIFE)
    decoded = jwt.decode(issued, options={"verify_signature": False})
    return {name: value for name, value in (decoded | changes).items() if value is not None}


def signed(key: bytes = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers)


def unsigned() -> str:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."


def test_our_own_token_is_accepted() -> None:
    verified = tokens.verify(tokens.issue("subject", "session", KEY, NOW, LIFE), KEY, NOW)

    assert verified == tokens.Claims("subject", "session", NOW + LIFE)


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "jti", "typ", "sid"])
def test_every_claim_is_required(claim: str) -> None:
    changes: dict[str, Any] = {claim: None}
    with pytest.raises(AuthenticationError):
        tokens.verify(signed(**changes), KEY, NOW)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody"),
        ("iss", "moor"),
        ("iss", ["moorage"]),
        ("aud", "moorage"),
        ("aud", ["moorage-api", "other"]),
        ("typ", "refresh"),
        ("typ", 1),
        ("sub", 7),
        ("sub", ""),
        ("sid", ["session"]),
        ("jti", 7),
        ("exp", "tomorrow"),
        ("exp", 10**30),
        ("exp", True),
        ("iat", {}),
        ("iat", (NOW + timedelta(seconds=6)).timestamp()),
    ],
)
def test_a_wrong_claim_is_refused(claim: str, value: Any) -> None:
    with pytest.raises(AuthenticationError):
        tokens.verify(_resigned(claim, value), KEY, NOW)


def _resigned(claim: str, value: Any) -> str:
    """Sign claims that PyJWT itself would refuse to encode."""
    return jwt.PyJWS().encode(json.dumps(claims() | {claim: value}).encode(), KEY, "HS256")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "moor_whatever",
        unsigned(),
        signed(algorithm="HS384"),
        signed(algorithm="HS512"),
        signed(key=b"x" * 32),
        signed(headers={"crit": ["b64"], "b64": False}),
    ],
)
def test_a_token_not_of_our_making_is_refused(token: str) -> None:
    with pytest.raises(AuthenticationError):
        tokens.verify(token, KEY, NOW)


@pytest.mark.parametrize("header", ["jku", "x5u", "kid"])
def test_the_header_chooses_no_key(header: str) -> None:
    assert tokens.verify(signed(headers={header: "https://evil.example/keys"}), KEY, NOW).subject == "subject"


def test_a_token_ends_at_exp_and_not_a_moment_later() -> None:
    token = tokens.issue("subject", "session", KEY, NOW, LIFE)

    tokens.verify(token, KEY, NOW + LIFE - timedelta(seconds=1))
    with pytest.raises(AuthenticationError):
        tokens.verify(token, KEY, NOW + LIFE)


def test_every_refusal_reads_the_same() -> None:
    messages = set()
    for token in ("", signed(typ="refresh"), signed(key=b"x" * 32)):
        with pytest.raises(AuthenticationError) as error:
            tokens.verify(token, KEY, NOW)
        messages.add(str(error.value))

    assert len(messages) == 1
