"""``python -m bench.operators``: Moorage's operator and a naive one against a real API server, side by side.

Prints a table and the record as JSON, and writes both to a folder. Everything listens on loopback alone, every process
ends with the run, and nothing of it is left but the record.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.operators import floor, plane, subject, table
from bench.operators.driver import driving
from bench.operators.run import Load, run

Record = dict[str, Any]

LIMIT = 3600.0
"""Seconds after which the whole run is given up."""
_MOST_TENANTS = 5000
_NAIVE_PATIENCE = 2.0
_GIB = 1 << 30


def main() -> None:
    """Run, print and write; exits 1 when a goal was missed and ``--strict`` was given."""
    options = _options()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder:
        record = asyncio.run(_run(options, Path(folder), say))
    print(json.dumps(record, indent=2))
    print(f"\n{table.table(record)}\n\nwritten to {options.out}")
    if options.strict and table.missed(record):
        sys.exit(1)


async def _run(options: argparse.Namespace, folder: Path, say: Any) -> Record:
    _end_on_sigterm()
    async with asyncio.timeout(LIMIT):
        say("measure the saturated apply rate")
        measured = await _floor(folder / "floor")
        record: Record = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": _machine(),
            "floor": {
                "childrenPerSecond": round(measured.children_per_second, 1),
                "serviceAccountsPerSecond": round(measured.service_accounts_per_second, 1),
                "children": measured.children,
            },
            "operators": {},
        }
        for kind, load in _contestants(options):
            say(f"{kind.name}: {load.tenants} tenants with {load.models} models each")
            own = folder / kind.name
            own.mkdir()
            record["operators"][kind.name] = await run(kind, load, own, measured, say)
            # Written after each, so that a failure of the second loses nothing of the first.
            _write(options.out, record)
        return record


def _end_on_sigterm() -> None:
    """Let SIGTERM end the run as an interrupt does, so that every process and file of it goes."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _floor(folder: Path) -> floor.Floor:
    with plane.running(folder) as control:
        async with driving(control) as driver:
            return await floor.measure(driver)


def _contestants(options: argparse.Namespace) -> list[tuple[subject.Kind, Load]]:
    found = [(subject.ours(options.python), Load(options.tenants, options.models, options.rest, options.samples, 30))]
    if options.naive:
        rest = min(options.rest, 60.0)
        load = Load(options.naive, options.models, rest, 1, _NAIVE_PATIENCE)
        found.append((subject.naive(sys.executable), load))
    return found


def _machine() -> Record:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memoryGiB": round(memory / _GIB),
        "loadAverage": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def _write(folder: Path, record: Record) -> None:
    ours = record["operators"][table.OURS]
    name = f"operator-{ours['tenants']}x{ours['modelsPerTenant']}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    (folder / f"{name}.txt").write_text(table.table(record) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.operators", description=__doc__)
    parser.add_argument("--tenants", type=_bounded, default=1000)
    parser.add_argument("--models", type=int, default=3, help="per tenant")
    parser.add_argument("--naive", type=int, default=200, help="tenants of the naive operator; 0 leaves it out")
    parser.add_argument("--rest", type=float, default=600, help="seconds of rest to count writes in")
    parser.add_argument("--samples", type=int, default=20, help="children broken of each kind, in each way")
    parser.add_argument("--python", default=sys.executable, help="interpreter with the operator image's requirements")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed")
    return parser.parse_args()


def _bounded(text: str) -> int:
    value = int(text)
    if not 1 <= value <= _MOST_TENANTS:
        raise argparse.ArgumentTypeError(f"must be 1..{_MOST_TENANTS}, not {value}")
    return value


if __name__ == "__main__":
    main()
