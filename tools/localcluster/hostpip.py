"""Hand this machine's pip configuration and CA bundle to an image build, and to nothing that outlives it.

Separate because it is the only place where something of the host meets an image: builds get it as secrets,
which are mounted while one step runs and are never part of a layer.
"""

from __future__ import annotations

import ast
import os
import ssl
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

_MOUNTED_CA = "/run/secrets/ca"
_LEFT_OUT = {"cert", "client-cert", "find-links", "target", "prefix", "user", "require-virtualenv"}
"""Options that are paths on this machine, or that would redirect the installation."""


def secrets(folder: Path) -> dict[str, Path]:
    """Write ``pip.conf`` into a private folder and return the build secrets ``pip`` and, if there is one, ``ca``."""
    bundle = _ca_bundle()
    path = folder / "pip.conf"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        pip_conf(_host_configuration(), with_ca=bundle is not None).write(file)
    return {"pip": path} | ({"ca": bundle} if bundle else {})


def pip_conf(listing: str, *, with_ca: bool) -> RawConfigParser:
    """Translate the output of ``pip config list``, weakest first as pip prints it, into a file for the build."""
    parser = RawConfigParser()
    parser.add_section("global")
    for line in listing.splitlines():
        name, _, literal = line.partition("=")
        section, _, option = name.rpartition(".")
        if option in _LEFT_OUT:
            continue
        section = "global" if section == ":env:" else section
        if not parser.has_section(section):
            parser.add_section(section)
        parser.set(section, option, str(ast.literal_eval(literal)))
    if with_ca:
        parser.set("global", "cert", _MOUNTED_CA)
    return parser


def _host_configuration() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _ca_bundle() -> Path | None:
    """Return the bundle that programs here trust: an explicit one first, then OpenSSL's own."""
    named = [os.environ.get("PIP_CERT"), os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile]
    usual = "/etc/ssl/certs/ca-certificates.crt"
    return next((path for path in map(Path, filter(None, [*named, usual])) if path.is_file()), None)
