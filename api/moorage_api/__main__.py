"""The command line: ``moorage-api serve | migrate | bootstrap | create-key``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import get_args

from moorage_api.commands import bootstrap, create_key, migrate, serve
from moorage_api.keyring import MissingSecretError
from moorage_api.settings import Settings
from moorage_crds.errors import MoorageError
from moorage_crds.permissions import TenantRole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the process's exit status."""
    options = _parser().parse_args(arguments)
    try:
        _run(options, Settings())
    except (MissingSecretError, MoorageError) as error:
        sys.stderr.write(f"moorage-api {options.command}: {error}\n")
        return 1
    return 0


def _run(options: argparse.Namespace, settings: Settings) -> None:
    match options.command:
        case "serve":
            serve.run(settings)
        case "migrate":
            asyncio.run(migrate.run(settings))
        case "bootstrap":
            asyncio.run(bootstrap.run(settings))
        case _:
            life = create_key.duration(options.expires)
            wanted = create_key.Wanted(options.tenant, options.service_account, options.role, life)
            # The key alone, so that a script can take it as it is.
            sys.stdout.write(asyncio.run(create_key.run(settings, wanted)) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="moorage-api", description="The API of Moorage.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the API")
    commands.add_parser("migrate", help="bring the database up to date")
    commands.add_parser("bootstrap", help="make the installation's secrets where there are none")
    _add_create_key(commands.add_parser("create-key", help="print a new API key of a service account"))
    return parser


def _add_create_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", required=True, help="the tenant the key is for")
    parser.add_argument("--service-account", required=True, help="made if there is none")
    parser.add_argument("--role", required=True, choices=get_args(TenantRole), help="its role in the tenant")
    parser.add_argument("--expires", default="24h", help="life of the key, such as 24h, 30m or 7d")


if __name__ == "__main__":
    sys.exit(main())
