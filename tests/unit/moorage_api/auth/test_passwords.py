"""Password hashes: argon2id with the parameters we promise, and bounded work."""

from __future__ import annotations

import asyncio

from moorage_api.auth.passwords import Passwords
from moorage_crds.errors import UnavailableError


async def test_the_hash_is_argon2id_with_19_mib_two_passes_one_lane() -> None:
    assert (await Passwords().hash("a long password")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_password_matches_its_hash_and_no_other() -> None:
    passwords = Passwords()
    stored = await passwords.hash("a long password")

    assert await passwords.matches("a long password", stored)
    assert not await passwords.matches("a long passwor", stored)


async def test_nothing_matches_where_there_is_no_hash() -> None:
    assert not await Passwords().matches("", None)


async def test_a_burst_is_refused_instead_of_queued_for_ever() -> None:
    passwords = Passwords()
    tasks = [asyncio.create_task(passwords.matches("x", None)) for _ in range(65)]
    try:
        # The last one is refused before the first hash is done.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert [type(task.exception()) for task in done] == [UnavailableError]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
