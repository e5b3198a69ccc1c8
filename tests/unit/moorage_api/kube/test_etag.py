"""Entity tags follow the spec and never the status."""

from __future__ import annotations

import pytest

from moorage_api.errors import PreconditionFailedError
from moorage_api.kube import etag
from tests.support.api import tenant


def test_the_tag_is_uid_and_generation() -> None:
    assert etag.etag(tenant()) == '"uid-acme.1"'


@pytest.mark.parametrize("header", [None, "*", '"uid-acme.1"', '"other.1", "uid-acme.1"', ' "uid-acme.1" '])
def test_these_fit(header: str | None) -> None:
    etag.check(header, tenant())


@pytest.mark.parametrize("header", ["", "uid-acme.1", 'W/"uid-acme.1"', '"uid-acme.2"', '"uid-acme.1'])
def test_these_do_not(header: str) -> None:
    with pytest.raises(PreconditionFailedError, match=r"uid-acme\.1"):
        etag.check(header, tenant())
