"""Triton's sentences as a real one wrote them."""

from __future__ import annotations

import pytest

from moorage_agent.refusals import completed, reason_of
from moorage_crds.conditions import REASONS

_LOAD = "load failed for model 'a--0a1b2c3d': version 1 is at UNAVAILABLE state: "
SENTENCES = {
    _LOAD + "Invalid argument: unable to find backend library for backend 'nonesuch', try specifying runtime on the "
    "model configuration.;": "BackendUnknown",
    "failed to load 'a--0a1b2c3d', failed to poll from model repository": "ConfigInvalid",
    "load failed for model 'a--0a1b2c3d': ensemble a contains models that are not available or ambiguous: b": (
        "DependencyMissing"
    ),
    _LOAD + "Internal: ValueError: model 'a', tensor 'X': the model expects dims [3] but the model configuration "
    "specifies dims [-1]": "ShapeMismatch",
    "load failed for model 'e': in ensemble e, ensemble tensor Y: inconsistent data type: TYPE_INT32 is inferred from "
    "model e while TYPE_FP32 is inferred from model base": "ShapeMismatch",
    "load failed for model 'e': in ensemble e, ensemble tensor Y is mapped from non-existing output YY in model b": (
        "ShapeMismatch"
    ),
    _LOAD + "Internal: SyntaxError: invalid syntax (model.py, line 1);": "CodeFailed",
    _LOAD + "Internal: ModuleNotFoundError: No module named 'torch'": "CodeFailed",
    _LOAD + "Invalid argument: instance group gpu_0 of model gpu specifies invalid or unsupported gpu id 0.": (
        "ConfigInvalid"
    ),
    "Triton did not finish within 4 s": "LoadTimedOut",
    _LOAD + "Internal: something else": None,
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_refusal_has_the_reason_of_its_words(sentence: str) -> None:
    reason = SENTENCES[sentence]
    assert reason_of(sentence) == reason
    assert reason is None or reason in REASONS


def test_a_refusal_without_a_cause_says_where_to_look() -> None:
    assert completed("failed to load 'a', failed to poll from model repository").endswith("kubectl logs POD -c triton")
    assert completed("SyntaxError: no") == "SyntaxError: no"
