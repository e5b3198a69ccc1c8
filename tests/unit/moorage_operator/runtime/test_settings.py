from __future__ import annotations

import pytest
from pydantic import ValidationError

from moorage_operator.settings import Settings


def test_an_empty_environment_is_enough() -> None:
    settings = Settings.from_environment({})
    assert (settings.system_namespace, settings.workers, settings.resync_seconds) == ("moorage-system", 8, 600)
    assert settings.pod_name


def test_each_variable_reaches_its_field() -> None:
    given = {"MOORAGE_WORKERS": "3", "MOORAGE_CLUSTER_CIDRS": "10.0.0.0/16, 10.1.0.0/16", "MOORAGE_POD_NAME": "a"}
    settings = Settings.from_environment(given)
    assert (settings.workers, settings.cluster_cidrs, settings.pod_name) == (3, ("10.0.0.0/16", "10.1.0.0/16"), "a")


def test_an_empty_variable_counts_as_absent_and_a_strange_one_is_left_alone() -> None:
    given = {"MOORAGE_WORKERS": "", "MOORAGE_API_SERVICE_HOST": "10.0.0.1"}
    assert Settings.from_environment(given).workers == 8


@pytest.mark.parametrize("given", [{"MOORAGE_WORKERS": "0"}, {"MOORAGE_IMAGE_PULL_POLICY": "Sometimes"}])
def test_a_wrong_value_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.from_environment(given)
