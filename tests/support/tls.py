"""A TLS server on loopback with a certificate of its own authority."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A certificate that signs itself, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, *names: str) -> Identity:
        """Make one that is valid for the names and for all of loopback's usual ones."""
        made = cls(folder / "ca.crt", folder / "tls.key")
        alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={alternatives}"]
        command += ["-keyout", str(made.key), "-out", str(made.certificate)]
        subprocess.run(command, check=True, capture_output=True)
        return made

    def server(self) -> ssl.SSLContext:
        """Return the server's side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client(self) -> ssl.SSLContext:
        """Return the side of a client that trusts this certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


@asynccontextmanager
async def serving(app: web.Application, identity: Identity) -> AsyncIterator[int]:
    """Serve an application over TLS on loopback; yields the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=identity.server())
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
