"""What an API key looks like: ``moor_<prefix>_<secret><checksum>``.

The prefix names the key in lists and logs and finds its row; the checksum lets a scanner (and us, without a query)
tell a real key from noise. Pure, so that scanners' authors can read it as the specification.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

PREFIX_LENGTH: Final = 8
_SECRET_LENGTH: Final = 43
"""Base-62 digits of 256 bits."""
_CHECKSUM_LENGTH: Final = 6
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LOWER: Final = string.ascii_lowercase + string.digits
_PATTERN: Final = re.compile(
    rf"moor_(?P<prefix>[a-z0-9]{{{PREFIX_LENGTH}}})_"
    rf"(?P<secret>[0-9A-Za-z]{{{_SECRET_LENGTH}}})(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


@dataclass(frozen=True)
class ApiKey:
    """A key in full; printing it shows the prefix only."""

    prefix: str
    text: str

    @override
    def __repr__(self) -> str:
        """Show nothing that opens anything."""
        return f"ApiKey(prefix={self.prefix!r})"


def generate() -> ApiKey:
    """Return a new key."""
    prefix = "".join(secrets.choice(_LOWER) for _ in range(PREFIX_LENGTH))
    secret = "".join(secrets.choice(_DIGITS) for _ in range(_SECRET_LENGTH))
    return ApiKey(prefix, f"moor_{prefix}_{secret}{_checksum(prefix, secret)}")


def parse(text: str) -> ApiKey | None:
    """Return the key a text is, or None for anything else and for a wrong checksum."""
    match = _PATTERN.fullmatch(text)
    if match is None or match["checksum"] != _checksum(match["prefix"], match["secret"]):
        return None
    return ApiKey(match["prefix"], text)


def digest(text: str, pepper: bytes) -> str:
    """Return what is stored of a key: hex HMAC-SHA256 of the whole text under the installation's pepper."""
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def _checksum(prefix: str, secret: str) -> str:
    """Return CRC-32 in base 62: it guards against typing errors, not against anybody."""
    number = zlib.crc32(f"{prefix}_{secret}".encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
