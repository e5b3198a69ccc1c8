"""What a person reads while waiting."""

from __future__ import annotations

import io

import pytest

from localcluster.progress import Progress


class Clock:
    """A clock that moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reporter() -> tuple[Progress, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    return Progress(out, clock), out, clock


def test_a_step_tells_its_name_elapsed_time_and_estimate() -> None:
    progress, out, clock = reporter()
    with progress.step("control plane", 4):
        clock.now += 3.21
    assert out.getvalue().split() == ["done", "control", "plane", "elapsed", "3.2", "s", "estimate", "4.0", "s"]


def test_a_long_step_is_announced_before_it_ends() -> None:
    progress, out, _ = reporter()
    with progress.step("build kubernetes", 360):
        assert out.getvalue() == "build kubernetes ... (about 6:00 min)\n"


def test_a_failed_step_says_so_and_passes_the_failure_on() -> None:
    progress, out, _ = reporter()
    with pytest.raises(RuntimeError, match="broken"), progress.step("node"):
        raise RuntimeError("broken")
    assert out.getvalue().startswith("FAILED node")


def test_minutes_are_rounded_to_whole_seconds() -> None:
    progress, out, clock = reporter()
    with progress.step("tools", 1):
        clock.now += 119.7
    assert "2:00 min" in out.getvalue()


def test_a_skipped_step_gives_its_reason() -> None:
    progress, out, _ = reporter()
    progress.skip("packages", "all installed")
    assert out.getvalue() == "ready  packages: all installed\n"
