"""Tell Triton's refusals apart by its own words: it has a status code for few of them, and a sentence for each.

Separate because it is a table of sentences, checked against a real Triton. A sentence that a later Triton words
otherwise costs the closer reason and nothing else: the message is passed on as it is.
"""

from __future__ import annotations

import re
from typing import Final

_REASONS: Final = (
    ("BackendUnknown", r"unable to find backend library for backend"),
    ("ConfigInvalid", r"failed to poll from model repository"),
    ("DependencyMissing", r"contains models that are not available"),
    ("ShapeMismatch", r"the model expects|configuration expects|unexpected inference (in|out)put"),
    ("ShapeMismatch", r"inconsistent (data type|shape)|non-existing (in|out)put|unexpected (data-?type|shape)"),
    ("CodeFailed", r"\b[A-Z]\w*(Error|Exception): "),
    ("ConfigInvalid", r"UNAVAILABLE state: Invalid argument: (?!\[request)"),
    ("LoadTimedOut", r"did not finish within"),
)
"""Reason and the words that Triton says then; the first that fits counts."""

_HINT = "; Triton says what is wrong with it in its log alone: kubectl logs POD -c triton"
_UNREADABLE = re.compile(r"failed to poll from model repository$")


def reason_of(message: str) -> str | None:
    """Return the closer reason of a refused load, None where ``LoadFailed`` says it all."""
    return next((reason for reason, words in _REASONS if re.search(words, message)), None)


def completed(message: str) -> str:
    """Return Triton's message, with where to look further when it says nothing."""
    return message + _HINT if _UNREADABLE.search(message) else message
