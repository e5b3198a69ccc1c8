"""What it takes to serve requests."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from moorage_api.services import Services
from moorage_crds.errors import UnavailableError


async def check_ready(services: Services) -> None:
    """Raise UnavailableError, naming what is missing, unless requests can be served."""
    if not services.cache.ready:
        raise UnavailableError("The cluster has not been listed yet.")
    try:
        await services.database.ping()
    except (SQLAlchemyError, OSError) as error:
        raise UnavailableError("The database does not answer.") from error
