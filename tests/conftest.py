"""Settings of all tests."""

import pytest
from hypothesis import settings

from dmft.run.told import COMPILING, LOG

# The same examples every time, and no limit of time per example: machines differ.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _silent_compilation(request):
    """Leave out that a solver is compiled: in a fresh environment any test may be the first."""
    if request.module.__name__.endswith("test_told"):
        yield
        return

    def other(record):
        return record.getMessage() != COMPILING

    LOG.addFilter(other)
    yield
    LOG.removeFilter(other)
