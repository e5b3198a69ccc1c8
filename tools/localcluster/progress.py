"""Print each step with the time it took and the time it was expected to take.

Separate because every slow verb tells the same three facts, and a test reads them from a stream.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Progress:
    """Where steps are reported, and by which clock."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic

    @contextmanager
    def step(self, name: str, estimate: float = 1.0) -> Iterator[None]:
        """Report one step when it ends; one that may take long is announced as well."""
        began = self.clock()
        if estimate > _WORTH_ANNOUNCING:
            self._print(f"{name} ... (about {_duration(estimate)})")
        try:
            yield
        except BaseException:
            self._print(self._line("FAILED", name, began, estimate))
            raise
        self._print(self._line("done", name, began, estimate))

    def skip(self, name: str, reason: str) -> None:
        """Report a step that has nothing to do."""
        self._print(f"{'ready':<6} {name}: {reason}")

    def _line(self, word: str, name: str, began: float, estimate: float) -> str:
        elapsed = _duration(self.clock() - began)
        return f"{word:<6} {name:<44} elapsed {elapsed:>7}   estimate {_duration(estimate):>7}"

    def _print(self, line: str) -> None:
        print(line, file=self.out, flush=True)


_WORTH_ANNOUNCING = 5.0
_MINUTE = 60


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes}:{rest:02d} min"
