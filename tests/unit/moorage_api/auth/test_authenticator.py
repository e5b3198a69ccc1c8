"""The door: believed for a short time, closed at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from moorage_api.api_keys import format as key_format
from moorage_api.auth import tokens
from moorage_api.auth.authenticator import Authenticator, Verified
from moorage_api.auth.principal import Principal
from moorage_api.errors import AuthenticationError
from tests.support.api import KEYRING, TurnedClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

ALICE = Principal("alice", "User", "user", "credential")


@dataclass
class Shelf:
    """A credential store that answers what it is told, and counts."""

    answer: Verified | None
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    async def session(self, claims: tokens.Claims, now: datetime) -> Verified | None:
        del now
        self.asked.append(claims.session)
        self.meanwhile()
        return self.answer

    async def api_key(self, prefix: str, digest: str, now: datetime) -> Verified | None:
        del now
        self.asked.append(f"{prefix} {digest}")
        return self.answer


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def shelf(clock: TurnedClock) -> Shelf:
    return Shelf(Verified(ALICE, clock() + timedelta(minutes=10)))


@pytest.fixture
def authenticator(shelf: Shelf, clock: TurnedClock) -> Authenticator:
    return Authenticator(shelf, KEYRING.jwt_key, KEYRING.pepper, clock)


def token(clock: TurnedClock) -> list[tuple[bytes, bytes]]:
    text = tokens.issue("id", "session", KEYRING.jwt_key, clock(), timedelta(minutes=10))
    return header(text)


def header(credential: str, scheme: str = "Bearer") -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", f"{scheme} {credential}".encode())]


async def test_a_verified_credential_is_believed_for_thirty_seconds(
    authenticator: Authenticator, shelf: Shelf, clock: TurnedClock
) -> None:
    headers = token(clock)
    await authenticator.authenticate(headers)
    clock.turn(seconds=29)
    await authenticator.authenticate(headers)
    assert len(shelf.asked) == 1

    clock.turn(seconds=1)
    await authenticator.authenticate(headers)
    assert len(shelf.asked) == 2


async def test_forgetting_asks_again(authenticator: Authenticator, shelf: Shelf, clock: TurnedClock) -> None:
    headers = token(clock)
    await authenticator.authenticate(headers)
    authenticator.forget()
    shelf.answer = None

    with pytest.raises(AuthenticationError):
        await authenticator.authenticate(headers)


async def test_what_was_read_before_a_revocation_is_not_believed_after_it(
    authenticator: Authenticator, shelf: Shelf, clock: TurnedClock
) -> None:
    headers = token(clock)
    shelf.meanwhile = authenticator.forget
    await authenticator.authenticate(headers)
    shelf.answer = None

    with pytest.raises(AuthenticationError):
        await authenticator.authenticate(headers)


async def test_a_credential_is_not_believed_beyond_its_own_end(
    authenticator: Authenticator, shelf: Shelf, clock: TurnedClock
) -> None:
    key = header(key_format.generate().text)
    shelf.answer = Verified(ALICE, clock() + timedelta(seconds=5))
    await authenticator.authenticate(key)
    clock.turn(seconds=5)
    shelf.answer = None

    with pytest.raises(AuthenticationError):
        await authenticator.authenticate(key)


async def test_an_api_key_is_looked_up_by_prefix_and_digest(authenticator: Authenticator, shelf: Shelf) -> None:
    key = key_format.generate()

    assert await authenticator.authenticate(header(key.text)) == ALICE
    assert shelf.asked == [f"{key.prefix} {key_format.digest(key.text, KEYRING.pepper)}"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"authorization", b"Basic YTpi")],
        header("moor_abcdefgh_tooshort"),
    ],
)
async def test_anything_else_is_refused_without_asking_sql(
    authenticator: Authenticator, shelf: Shelf, headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(AuthenticationError):
        await authenticator.authenticate(headers)
    assert not shelf.asked


async def test_two_authorization_fields_are_refused(authenticator: Authenticator, clock: TurnedClock) -> None:
    with pytest.raises(AuthenticationError):
        await authenticator.authenticate([*token(clock), *token(clock)])


async def test_the_scheme_is_read_without_regard_to_case(authenticator: Authenticator, clock: TurnedClock) -> None:
    text = token(clock)[1][1].decode().partition(" ")[2]

    assert await authenticator.authenticate(header(text, "bEARER")) == ALICE
