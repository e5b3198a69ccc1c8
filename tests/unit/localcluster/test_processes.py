"""Only the very process that was meant is ended."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localcluster import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = f"987654.{os.getpid()}"
"""Seconds to sleep, told apart from those of another run of these tests."""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", MARK]) as popen:
        while not Path(f"/proc/{popen.pid}/cmdline").read_bytes():
            pass  # The kernel lets us go on a moment before the new program has its arguments.
        yield popen
        popen.kill()


def seen(child: subprocess.Popen[bytes]) -> processes.Process:
    process = processes.observe(child.pid)
    assert process
    return process


def test_observing_twice_gives_the_same_process() -> None:
    assert processes.observe(os.getpid()) == processes.observe(os.getpid())


def test_start_time_is_the_kernels(child: subprocess.Popen[bytes]) -> None:
    mine = processes.observe(os.getpid())
    assert mine
    assert 0 < mine.started <= seen(child).started


def test_ends_the_process_it_was_given(child: subprocess.Popen[bytes]) -> None:
    processes.end(seen(child))
    assert processes.observe(child.pid) is None
    assert child.wait() == -9


def test_leaves_alone_a_process_that_only_has_the_same_id(child: subprocess.Popen[bytes]) -> None:
    processes.end(replace(seen(child), started=1))
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.2)


def test_ending_what_is_gone_is_fine(child: subprocess.Popen[bytes]) -> None:
    process = seen(child)
    child.kill()
    child.wait()
    processes.end(process)


def test_finds_processes_by_the_end_of_their_command_line(child: subprocess.Popen[bytes]) -> None:
    assert processes.with_arguments([MARK]) == [seen(child)]
    assert processes.with_arguments(["sleep", MARK]) == [seen(child)]
    assert processes.with_arguments([MARK, "sleep"]) == []
    assert processes.with_arguments(["wake", MARK]) == []


def test_an_ordinary_process_is_no_namespace_init() -> None:
    assert not processes.is_namespace_init(os.getpid())


@pytest.mark.parametrize(
    ("ids", "expected"),
    [("1", False), ("4711", False), ("4711\t1", True), ("4711\t25", False), ("4711\t25\t1", True)],
)
def test_the_last_id_tells_who_is_first_inside(ids: str, expected: bool) -> None:
    assert processes.is_first_inside(f"Name:\tx\nNSpid:\t{ids}\nNSpgid:\t1\n") is expected
