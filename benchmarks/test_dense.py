"""Cost of the oracle: `make bench`.  One grid of N steps, and a whole run against tol."""

import pytest

import dmft

MODEL = dmft.SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)


@pytest.mark.parametrize("steps", [400, 800, 1600])
def test_one_grid(benchmark, steps):
    options = dmft.DenseOptions(steps=steps, grids=(1,))
    benchmark.pedantic(
        dmft.solve, (MODEL, 10.0), {"m0": 0.1, "options": options}, rounds=3, warmup_rounds=1
    )


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8])
def test_tolerance(benchmark, tol):
    benchmark.pedantic(
        dmft.solve, (MODEL, 10.0), {"m0": 0.1, "tol": tol}, rounds=3, warmup_rounds=1
    )


@pytest.mark.parametrize("steps", [400, 1600])
def test_gradient_descent(benchmark, steps):
    arguments = {"m0": 0.1, "method": "gradient_descent", "step": 10.0 / steps}
    benchmark.pedantic(dmft.solve, (MODEL, 10.0), arguments, rounds=3, warmup_rounds=1)
