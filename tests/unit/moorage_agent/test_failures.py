from __future__ import annotations

import pytest

from moorage_agent.failures import FETCH_FAILED, LOAD_FAILED, Failure, FailureState, failed


def after(state: FailureState, times: int, *, crashed: bool = False) -> Failure:
    last: Failure | None = None
    for _ in range(times):
        last = failed(last, "uid/1", state, "no", 0.0, crashed=crashed)
    assert last is not None
    return last


@pytest.mark.parametrize(
    ("state", "times", "delay"),
    [
        (FETCH_FAILED, 1, 5),
        (FETCH_FAILED, 2, 10),
        (FETCH_FAILED, 20, 300),
        (LOAD_FAILED, 1, 120),
        (LOAD_FAILED, 2, 240),
        (LOAD_FAILED, 20, 1800),
    ],
)
def test_delays_double_up_to_their_bound(state: FailureState, times: int, delay: float) -> None:
    assert after(state, times).retry_at == delay


def test_another_kind_of_failure_counts_anew() -> None:
    fetched = after(FETCH_FAILED, 5)
    assert failed(fetched, "uid/1", LOAD_FAILED, "no", 0.0).count == 1


def test_a_changed_controller_revision_counts_anew() -> None:
    assert failed(after(LOAD_FAILED, 5), "uid/2", LOAD_FAILED, "no", 0.0).count == 1


def test_a_revision_during_whose_load_triton_ended_gets_one_more_try() -> None:
    assert after(LOAD_FAILED, 1, crashed=True).retry_at == 5


def test_the_second_end_of_triton_is_the_last() -> None:
    assert after(LOAD_FAILED, 2, crashed=True).retry_at == float("inf")
