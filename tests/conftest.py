"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong: time is measured by benchmarks alone.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
