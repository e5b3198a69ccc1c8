"""The record of a run as people read it: figure, goal, what was measured, and whether that is enough.

Separate and pure because the goals stand here alone, as DESIGN's section 10 has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

OURS = "Moorage"
NAIVE = "naive"
_NEVER = "never"
_ABSENT = "-"


@dataclass(frozen=True)
class Figure:
    """One line: what is measured, where it stands in a record, and its bound."""

    name: str
    read: Callable[[Record], float | None]
    bound: Callable[[Record], float] | None
    """The largest value that will do; None where there is no goal."""
    unit: str = ""


def _at(*path: str) -> Callable[[Record], float | None]:
    def read(record: Record) -> float | None:
        value: Any = record
        for part in path:
            value = value[part]
        return None if value is None else float(value)

    return read


def _most(value: float) -> Callable[[Record], float]:
    return lambda _: value


def _worst(way: str, percentile: str) -> Callable[[Record], float | None]:
    """Return the worst kind's percentile; None, that is never, when one kind was not repaired at all."""

    def read(record: Record) -> float | None:
        values = [spread[percentile] for spread in record["drift"][way].values()]
        return None if None in values else max(values)

    return read


def _budget(record: Record) -> float:
    return float(record["childrenPerTenant"]) + 3


def figures() -> Iterator[Figure]:
    """Yield every line of the table."""
    yield Figure("tenants: converged in", _at("converge", "tenants", "seconds"), None, "s")
    yield Figure("tenants: times the write floor", _at("converge", "tenants", "timesFloor"), _most(1.25))
    yield Figure("tenants: writes per tenant", _at("converge", "tenants", "writesPerObject"), _budget)
    yield Figure("tenants: GETs", _at("converge", "tenants", "gets"), _most(0))
    yield Figure("tenants: conflicts", _at("converge", "tenants", "conflicts"), _most(0))
    yield Figure("tenants: other refusals", _at("converge", "tenants", "refusals"), None)
    yield Figure("models: converged in", _at("converge", "models", "seconds"), None, "s")
    yield Figure("models: times the write floor", _at("converge", "models", "timesFloor"), None)
    yield Figure("models: writes per model", _at("converge", "models", "writesPerObject"), None)
    yield Figure("models: GETs", _at("converge", "models", "gets"), _most(0))
    yield Figure("models: conflicts", _at("converge", "models", "conflicts"), _most(0))
    yield Figure("no-op touch of every tenant: writes", _at("touch", "writes"), _most(0))
    yield Figure("restart: writes", _at("restart", "writes"), _most(0))
    yield Figure("restart: until all is compared", _at("restart", "seconds"), _most(10), "s")
    yield Figure("restart: operator's CPU", _at("restart", "cpuSeconds"), None, "s")
    yield Figure("SIGTERM until the end", _at("restart", "stopSeconds"), _most(2), "s")
    yield Figure("at rest: writes", _at("rest", "writes"), _most(0))
    yield Figure("at rest: CPU", _at("rest", "millicores"), _most(10), "millicores")
    yield Figure("memory, empty", _at("memoryMiB", "empty"), _most(60), "MiB")
    yield Figure("memory, full", _at("memoryMiB", "full"), _most(120), "MiB")
    yield Figure("memory, full, after a restart", _at("restart", "memoryMiB"), _most(120), "MiB")
    for way, word in (("edit", "edited"), ("delete", "deleted")):
        yield Figure(f"{word} child repaired, p50 of the worst kind", _worst(way, "p50"), None, "s")
        yield Figure(f"{word} child repaired, p99 of the worst kind", _worst(way, "p99"), _most(2), "s")
    yield Figure("failover, crash", _at("failoverSeconds", "crash"), _most(20), "s")
    yield Figure("failover, rollout", _at("failoverSeconds", "rollout"), _most(3), "s")


def table(record: Record) -> str:
    """Return the whole record of a run as text."""
    operators: dict[str, Record] = record["operators"]
    head = [
        "figure",
        "goal",
        *(f"{name} ({one['tenants']}x{one['modelsPerTenant']})" for name, one in operators.items()),
        "",
    ]
    rows = [head, *(_row(figure, operators) for figure in figures())]
    return "\n".join([*_preface(record), "", *_aligned(rows), "", *_drift(operators[OURS])])


def missed(record: Record) -> list[str]:
    """Return the names of the figures at which Moorage falls short of its goal."""
    return [figure.name for figure in figures() if _verdict(figure, record["operators"]) == "MISSED"]


def _preface(record: Record) -> list[str]:
    machine, floor = record["machine"], record["floor"]
    load = f" with a load average of {machine['loadAverage']} at the start" if "loadAverage" in machine else ""
    where = f"{machine['cores']} cores and {machine['memoryGiB']} GiB{load}"
    shared = "shared by etcd (without fsync), API server, driver and operator; no controllers, no node"
    children = f"{floor['childrenPerSecond']:.0f}/s of a tenant's {floor['children']} children"
    small = f"{floor['serviceAccountsPerSecond']:.0f}/s of ServiceAccounts"
    return [f"{where}, {shared}", f"saturated server-side apply: {children}, {small}"]


def _row(figure: Figure, operators: dict[str, Record]) -> list[str]:
    goal = _ABSENT if figure.bound is None else f"<= {_shown(figure.bound(operators[OURS]))} {figure.unit}".rstrip()
    return [figure.name, goal, *(_value(figure, one) for one in operators.values()), _verdict(figure, operators)]


def _value(figure: Figure, record: Record) -> str:
    try:
        found = figure.read(record)
    except KeyError:
        return _ABSENT
    return _NEVER if found is None else f"{_shown(found)} {figure.unit}".rstrip()


def _verdict(figure: Figure, operators: dict[str, Record]) -> str:
    try:
        found = figure.read(operators[OURS])
    except KeyError:
        return ""
    if figure.bound is None:
        return ""
    return "ok" if found is not None and found <= figure.bound(operators[OURS]) else "MISSED"


def _drift(record: Record) -> list[str]:
    rows = [["drift repaired (s)", "edit p50", "edit p99", "delete p50", "delete p99", "samples"]]
    edits, deletions = record["drift"]["edit"], record["drift"]["delete"]
    for kind in dict.fromkeys([*edits, *deletions]):
        found = [one.get(kind) for one in (edits, deletions)]
        cells = [_cell(one, percentile) for one in found for percentile in ("p50", "p99")]
        rows.append([kind, *cells, str(max(one["count"] for one in found if one))])
    return _aligned(rows)


def _cell(spread: Record | None, percentile: str) -> str:
    if spread is None:
        return _ABSENT
    return _NEVER if spread[percentile] is None else f"{spread[percentile]:.3f}"


def _shown(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
