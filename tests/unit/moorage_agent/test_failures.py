from __future__ import annotations

import errno

import pytest

from moorage_agent import errors
from moorage_agent.errors import FetchError
from moorage_agent.failures import FETCH_FAILED, LOAD_FAILED, Failure, FailureState, failed, reason_of
from moorage_crds.conditions import REASONS
from moorage_crds.errors import UnsafePathError


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


@pytest.mark.parametrize("reason", ["SecretNotUsable", "CredentialsDenied"])
def test_credentials_that_somebody_may_be_correcting_are_tried_again_soon(reason: str) -> None:
    last: Failure | None = None
    for _ in range(20):
        last = failed(last, "uid/1", FETCH_FAILED, "no", 0.0, reason=reason)
    assert last is not None
    assert last.retry_at == 30


def test_another_kind_of_failure_counts_anew() -> None:
    fetched = after(FETCH_FAILED, 5)
    assert failed(fetched, "uid/1", LOAD_FAILED, "no", 0.0).count == 1


def test_a_changed_controller_revision_counts_anew() -> None:
    assert failed(after(LOAD_FAILED, 5), "uid/2", LOAD_FAILED, "no", 0.0).count == 1


def test_a_revision_during_whose_load_triton_ended_gets_one_more_try() -> None:
    assert after(LOAD_FAILED, 1, crashed=True).retry_at == 5


def test_the_second_end_of_triton_is_the_last() -> None:
    assert after(LOAD_FAILED, 2, crashed=True).retry_at == float("inf")


def fetch_errors(cls: type[FetchError] = FetchError) -> list[type[FetchError]]:
    return [cls, *(each for derived in cls.__subclasses__() for each in fetch_errors(derived))]


@pytest.mark.parametrize("kind", fetch_errors(), ids=lambda kind: kind.__name__)
def test_every_way_to_fail_a_fetch_has_a_documented_reason(kind: type[FetchError]) -> None:
    assert kind.reason in REASONS


WHY: dict[str, tuple[Exception, str | None]] = {
    "nothing more exact": (FetchError("x"), None),
    "a wrong digest": (errors.ChecksumError("x"), "ChecksumMismatch"),
    "a path that leaves the folder": (UnsafePathError("x"), "SourceInvalid"),
    "a full disk": (OSError(errno.ENOSPC, "x"), "StorageFull"),
    "a used-up quota": (OSError(errno.EDQUOT, "x"), "StorageFull"),
    "another trouble of the disk": (OSError(errno.EIO, "x"), None),
    "an error nobody thought of": (KeyError("x"), None),
}


@pytest.mark.parametrize("case", WHY)
def test_the_reason_of_an_error(case: str) -> None:
    error, reason = WHY[case]
    assert reason_of(error) == reason
