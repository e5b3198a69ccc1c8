"""Whom external stores may be certified by: the public authorities, and the platform's own.

Separate because HTTP and gRPC take it in two forms that must not differ.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Self

import httpx


@dataclass(frozen=True)
class Trust:
    """The same authorities for both protocols."""

    context: ssl.SSLContext
    """For HTTP."""
    roots: bytes = field(repr=False)
    """For gRPC: PEM certificates."""

    @classmethod
    def of(cls, authorities: str = "") -> Self:
        """Return the public authorities and ``authorities``, PEM certificates; raises ssl.SSLError."""
        context = httpx.create_ssl_context(trust_env=False)
        public = [ssl.DER_cert_to_PEM_cert(each) for each in context.get_ca_certs(binary_form=True)]
        if authorities:
            context.load_verify_locations(cadata=authorities)
        return cls(context, "\n".join([*public, authorities]).encode())
