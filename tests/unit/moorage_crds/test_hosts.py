"""A Secret goes where its annotation says, however that is spelt, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_crds import hosts, labels


def secret(text: str | None) -> dict[str, Any]:
    return {"metadata": {} if text is None else {"annotations": {labels.HOSTS: text}}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, set()),
        ("", set()),
        (" , ", set()),
        ("a.example", {"a.example"}),
        ("A.example, b.example:8443 ,", {"a.example", "b.example:8443"}),
        ("a.example:443", {"a.example"}),
    ],
)
def test_what_an_annotation_names(text: str | None, expected: set[str]) -> None:
    assert hosts.allowed(secret(text)) == expected


@pytest.mark.parametrize(("port", "name"), [(443, "a.example"), (8443, "a.example:8443")])
def test_a_host_is_named_with_its_port_unless_that_is_the_usual_one(port: int, name: str) -> None:
    assert hosts.named("a.example", port) == name
