from __future__ import annotations

import pytest

from tests.unit.moorage_operator.runtime.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
