"""A source's server is trusted when the platform's authorities vouch for it, and otherwise is not."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from moorage_agent.sources import trust
from tests.support.tls import Identity, serving

if TYPE_CHECKING:
    from pathlib import Path


async def ask(port: int, context: ssl.SSLContext) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"https://127.0.0.1:{port}/", ssl=context) as answer:
        return answer.status


async def test_the_platforms_own_authority_is_trusted_beside_the_public_ones(tmp_path: Path) -> None:
    identity = Identity.make(tmp_path)
    context = trust.context(identity.certificate.read_text())
    async with serving(web.Application(), identity) as port:
        assert await ask(port, context) == 404
    assert len(context.get_ca_certs()) == len(trust.context("").get_ca_certs()) + 1


async def test_nobody_vouches_for_a_stranger(tmp_path: Path) -> None:
    async with serving(web.Application(), Identity.make(tmp_path)) as port:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(port, trust.context(""))


def test_what_is_no_certificate_is_an_error() -> None:
    with pytest.raises(ssl.SSLError):
        trust.context("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
