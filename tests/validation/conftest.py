"""A run of the spiked model, and simulations of it."""

import pytest

import dmft
from validation.systems.spiked.trajectories import simulate_revealed

SEED = dmft.SpikedMatrixTensor(3, 0.7, 1.0)


@pytest.fixture(scope="session")
def theory():
    return dmft.solve(SEED, 2.0, m0=0.3, method="gradient_descent", step=0.1)


@pytest.fixture(scope="session")
def runs():
    """Two N, 12 runs each."""
    times = [0.0, 0.5, 1.0, 2.0]
    return [simulate_revealed(SEED, n=n, seeds=12, m0=0.3, times=times) for n in (300, 600)]
