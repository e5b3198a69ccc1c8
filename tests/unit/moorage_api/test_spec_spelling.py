"""Specs are spelt through the API as they are through kubectl: camelCase, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from moorage_api.models.schemas import NewModel
from moorage_api.tenants.schemas import NewTenant, TenantSpecOnly

if TYPE_CHECKING:
    from pydantic import BaseModel

INLINE = {"inline": {"files": {"1/model.py": "pass"}}}


@pytest.mark.parametrize(
    ("schema", "body", "field"),
    [
        (NewTenant, {"name": "acme", "spec": {"display_name": "Acme"}}, ("spec", "display_name")),
        (
            TenantSpecOnly,
            {"spec": {"inference": {"python_backend": "Enabled"}}},
            ("spec", "inference", "python_backend"),
        ),
        (
            NewModel,
            {"name": "m", "spec": {"source": INLINE, "config": {"max_batch_size": 8}}},
            ("spec", "config", "max_batch_size"),
        ),
    ],
)
def test_a_field_in_snake_case_is_an_unknown_field(
    schema: type[BaseModel], body: dict[str, Any], field: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        schema.model_validate(body)
    assert [(one["type"], one["loc"]) for one in caught.value.errors()] == [("extra_forbidden", field)]


def test_what_was_sent_in_camel_case_is_what_is_written() -> None:
    body = {"name": "acme", "spec": {"inference": {"pythonBackend": "Enabled"}}}
    assert NewTenant.model_validate(body).manifest_spec() == body["spec"]
