"""Access tokens: one strict wrapper around PyJWT, so that no caller can leave a check out.

One algorithm and one key that we choose; nothing in a token's header (``alg``, ``jku``, ``kid``) chooses for us.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from moorage_api.errors import AuthenticationError

ALGORITHM: Final = "HS256"
ISSUER: Final = "moorage"
AUDIENCE: Final = "moorage-api"
ACCESS: Final = "access"
"""Value of the claim ``typ``; tokens for other uses carry another and are no access tokens."""

_REQUIRED: Final = ["exp", "iat", "iss", "aud", "sub", "jti", "typ", "sid"]
_REFUSED: Final = "The request carries no valid credential."
_LEEWAY: Final = timedelta(seconds=5)
"""How far ``iat`` may lie in the future: replicas' clocks differ. ``exp`` gets none."""


@dataclass(frozen=True)
class Claims:
    """What a valid access token says."""

    subject: str
    """Id of the subject in SQL."""
    session: str
    expires_at: datetime


def issue(subject: str, session: str, key: bytes, now: datetime, life: timedelta) -> str:
    """Return a signed access token of a session."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "sid": session,
        "jti": str(uuid.uuid4()),
        "typ": ACCESS,
        "iat": int(now.timestamp()),
        "exp": int((now + life).timestamp()),
    }
    return jwt.encode(claims, key, ALGORITHM)


def verify(token: str, key: bytes, now: datetime) -> Claims:
    """Return the claims of an access token; raises AuthenticationError whatever is wrong with it."""
    try:
        claims = jwt.decode(token, key, [ALGORITHM], _options(), audience=AUDIENCE, issuer=ISSUER)
        return _checked(claims, now)
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
        raise AuthenticationError(_REFUSED) from error


def _options() -> Any:
    """Return PyJWT's options: times are checked by ``_checked``, against the caller's clock."""
    return {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "strict_aud": True}


def _checked(claims: dict[str, Any], now: datetime) -> Claims:
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    issued_at = datetime.fromtimestamp(claims["iat"], UTC)
    if claims["typ"] != ACCESS or now >= expires_at or issued_at > now + _LEEWAY:
        raise ValueError
    return Claims(_text(claims["sub"]), _text(claims["sid"]), expires_at)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value
