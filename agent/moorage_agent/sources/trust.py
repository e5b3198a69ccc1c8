"""Whom sources' servers may be certified by: the authorities that the image brings, and the platform's own.

Separate from the sources because they share one context, and a test needs no source to try it.
"""

from __future__ import annotations

import ssl


def context(authorities: str) -> ssl.SSLContext:
    """Return the client's side of TLS; ``authorities`` are PEM certificates, possibly none. Raises ssl.SSLError."""
    made = ssl.create_default_context()
    if authorities:
        made.load_verify_locations(cadata=authorities)
    return made
