"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong: time is measured by benchmarks alone. How many drawn examples fit is chance.
_BY_CHANCE = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
_MEANT = [HealthCheck.function_scoped_fixture]  # all examples of a test share its fixtures
settings.register_profile("any-machine", deadline=None, suppress_health_check=[*_BY_CHANCE, *_MEANT])
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
