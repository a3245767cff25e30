"""The Langevin line above T = 1 from the dynamics: a check that no formula went into."""

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.growth import growth


@pytest.mark.parametrize(("factor", "grows"), [(0.9, False), (1.13, True)])
def test_paramagnet_is_left_at_1_over_delta_2_equal_to_T(factor, grows):
    """p=3, Dp=10, T=1.5: small overlaps grow above 1/Delta_2 = T and decay below it."""
    T, delta_p = 1.5, 10.0
    line = 1.0 / float(dmft.systems.spiked.theory.thresholds.langevin(3, delta_p, T)[0])
    assert line == pytest.approx(T)
    model = dmft.SpikedMatrixTensor(3, 1.0 / (factor * line), delta_p)
    m = dmft.solve(model, 30.0, m0=1e-6, T=T, tol=1e-3).at([25.0, 30.0]).m
    assert (np.log(m[1] / m[0]) > 0) is np.bool_(grows)


def bend(p, delta_p, T, x, t_end):
    """Return how much d log10 G/d log10 t changes from the decade before the last one to the last.

    G is the growth rate of m and x = 1/Delta_2.
    """
    model = dmft.SpikedMatrixTensor(p, 1.0 / x, delta_p)
    run = dmft.solve(model, t_end, m0=0.0, T=T, preset="loose")
    G = growth(run).rate(t_end * np.array([1e-2, 1e-1, 1.0]))
    assert np.all(G > 0.0)
    return float(np.diff(np.log10(G), 2)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "delta_p", "T"),
    [(3, 1.0, 1.0), (3, 0.5, 1.0), (3, 1.0, 0.5), (3, 4.0, 0.8), (4, 0.2, 1.0), (4, 0.3, 0.95)],
)
def test_growth_on_both_sides(p, delta_p, T):
    """The line lies within 4 % of where the growth changes its kind.

    Above the line G tends to a constant, so that log G against log t bends upwards; below it m is
    at most a power of t, G falls to 1/t or faster, and log G bends downwards. At the line G is a
    power of t, without a bend. Up to t = 1e4 bends vanish at 0.965 to 1.005 times the line.
    """
    line = 1.0 / float(
        np.atleast_1d(dmft.systems.spiked.theory.thresholds.langevin(p, delta_p, T))[0]
    )
    below, above = (bend(p, delta_p, T, f * line, 1e4) for f in (0.96, 1.04))
    assert below < 0.0 < above


@pytest.mark.slow
def test_second_branch_is_not_selected():
    """p=4, Dp=.2, T=1: the condition holds again at 1/Delta_2 < 1.0852, but m decays there."""
    branches = 1.0 / dmft.systems.spiked.theory.thresholds.langevin(4, 0.2, 1.0)
    assert branches[1] == pytest.approx(1.08519962)
    for x in (1.04, 1.2):
        model = dmft.SpikedMatrixTensor(4, 1.0 / x, 0.2)
        run = dmft.solve(model, 1e4, m0=0.0, T=1.0, preset="loose")
        assert np.all(growth(run).rate([1.0, 1e2, 1e4]) < 0.0)
