"""Simulations against the theory at finite N, and the accuracy of the integrator."""

import numpy as np
import pytest

import dmft
from dmft.model import SpikedMatrixTensor
from validation.instances import draw
from validation.simulate import simulate
from validation.statistics import Ensemble, compare
from validation.stored import Loss, gradient_descent, gradient_flow

SEED = SpikedMatrixTensor(3, 0.7, 1.0)
TIMES = np.array([1.0, 2.0, 5.0, 10.0])


def test_integrator_has_order_four_and_a_negligible_error():
    loss = Loss(draw(SEED, 60, 0.2, 3, "float64"))
    exact = np.array(gradient_flow(loss, TIMES, 0.0125)[1:])
    errors = [
        np.max(np.abs(np.array(gradient_flow(loss, TIMES, h)[1:]) - exact))
        for h in (0.2, 0.1, 0.05)
    ]
    assert errors[1] < 1e-4
    assert np.polyfit(np.log([0.2, 0.1, 0.05]), np.log(errors), 1)[0] > 3.5


def test_descent_tends_to_flow():
    loss = Loss(draw(SEED, 60, 0.2, 3, "float64"))
    flow = np.array(gradient_flow(loss, TIMES[:2], 0.05)[1:])
    errors = [
        np.abs(np.array(gradient_descent(loss, TIMES[:2], h)[1:]) - flow) for h in (0.01, 0.005)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.15)


def test_more_seeds_extend_an_ensemble():
    few = simulate(SEED, n=20, seeds=2, m0=0.2, times=[1.0])
    more = simulate(SEED, n=20, seeds=4, m0=0.2, times=[1.0])
    assert np.array_equal(few.m, more.m[:2])
    assert not np.array_equal(more.m[0], more.m[1])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seeds": 1}, "seeds = 1"),
        ({"step": 0.0}, "step = 0"),
        ({"times": [1.05]}, "whole multiples of step"),
        ({"times": [2.0, 1.0]}, "ascending"),
        ({"times": [-1.0]}, "times = -1"),
        ({"method": "newton"}, "method = 'newton'"),
    ],
)
def test_bad_input(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        simulate(SEED, **{"n": 20, "seeds": 2, "m0": 0.2, "times": [1.0], **arguments})


def test_z_scores():
    """An ensemble drawn around the theory has z of order one; one that is shifted has not."""
    theory = dmft.solve(SEED, 10.0, m0=0.2, tol=1e-5)
    at, rng = theory.at(TIMES), np.random.default_rng(0)
    noise = 0.05 * rng.standard_normal((3, 16, 4))
    values = {k: getattr(at, k) + noise[a] for a, k in enumerate(("m", "mu", "e"))}
    honest = compare(theory, Ensemble(100, TIMES, **values))
    z = honest.table["z"]
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.6
    assert honest.largest_z == np.max(np.abs(z))
    values["m"] = values["m"] + 5 * 0.05 / 4
    assert compare(theory, Ensemble(100, TIMES, **values)).largest_z > 3.5
    with pytest.raises(ValueError, match="seeds = 1"):
        compare(theory, Ensemble(100, TIMES, at.m[None], at.mu[None], at.e[None]))


def biased(p, method, n, seeds, **arguments):
    """Return the table of a comparison with the theory of `method`."""
    model = SpikedMatrixTensor(p, 0.7, 1.0)
    ensemble = simulate(model, n=n, seeds=seeds, m0=0.2, times=TIMES, method=method)
    solver = "dense" if method == "gradient_flow" else method
    return compare(dmft.solve(model, 10.0, m0=0.2, method=solver, **arguments), ensemble)


@pytest.mark.parametrize("method", ["gradient_flow", "gradient_descent"])
def test_small_ensemble_agrees(method):
    """N = 150, 8 seeds: within 4 standard errors (1/N corrections are about 1 of them)."""
    step = {"step": 0.1} if method == "gradient_descent" else {}
    assert biased(3, method, 150, 8, **step).largest_z < 4.0


def test_p4_approaches_the_theory_like_1_over_N():
    """mu of discrete descent, p = 4: too low by about 20/N, so a tenfold N would remove it."""
    low = []
    for n in (24, 48):
        ensemble = simulate(
            SpikedMatrixTensor(4, 0.7, 1.0), n=n, seeds=24, m0=0.2, times=[2.0],
            method="gradient_descent",
        )  # fmt: skip
        theory = dmft.solve(
            SpikedMatrixTensor(4, 0.7, 1.0), 2.0, m0=0.2, method="gradient_descent", step=0.1
        )
        bias = float(theory.mu[-1] - ensemble.mean("mu")[0])
        low.append((bias * n, float(ensemble.standard_error("mu")[0]) * n))
    (a, da), (b, db) = low
    assert a > 4 * da
    assert abs(a - b) < 4 * np.hypot(da, db)


@pytest.mark.slow
@pytest.mark.parametrize("n", [300, 500])
def test_gradient_flow_p3(n):
    """|z| < 3 for m, mu, e at t = 1, 2, 5, 10 with 12 seeds."""
    assert biased(3, "gradient_flow", n, 12).largest_z < 3.0


@pytest.mark.slow
def test_gradient_descent_p3():
    assert biased(3, "gradient_descent", 500, 12, step=0.1).largest_z < 3.0
