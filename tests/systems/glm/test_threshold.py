"""Growth of the overlap, success at finite N, and the threshold that their tables give."""

import numpy as np
import pytest

import dmft
from dmft.systems.glm import measured_threshold
from dmft.systems.glm.growth import overlap_growth
from dmft.systems.glm.options import FlowOptions
from dmft.theory import phase_retrieval
from validation.systems.glm.success import success


def test_growth_begins_with_the_spectrum_of_a_random_start():
    options = FlowOptions(paths=2**13, response_paths=256, replicas=2)
    found = overlap_growth(dmft.PhaseRetrieval(3.0), 0.2, options)
    # At t = 0 r and h are independent: F vanishes at the BBP point of a random start, 1.1349.
    assert found.signal[:, 0].max() < 0.0
    bbp = phase_retrieval.initial_bbp(1.0)
    below, above = (
        overlap_growth(dmft.PhaseRetrieval(alpha, 1.0), 1e-6, options).signal[:, 0].mean()
        for alpha in (bbp - 0.15, bbp + 0.15)
    )
    assert above < 0.0 < below
    assert found.ln_m[:, 0] == pytest.approx(0.0)
    assert (found.edge < 0.0).all()


def test_growth_says_why_it_ends():
    options = FlowOptions(paths=64, response_paths=64, replicas=1, memory=0.002)
    with pytest.raises(ArithmeticError, match="GB can be used"):
        overlap_growth(dmft.PhaseRetrieval(3.0), 1e3, options)


def test_success_where_it_is_certain():
    easy = success(dmft.PhaseRetrieval(12.0), 60, 60.0, instances=2, starts=6)
    hard = success(dmft.PhaseRetrieval(1.2), 60, 20.0, instances=2, starts=6)
    assert easy.rate > 0.8
    assert hard.rate < 0.3
    assert np.isfinite(easy.t[easy.m > 0.99]).all()
    assert np.isinf(hard.t[hard.m < 0.99]).all()
    # A rate of 0 or 1 has an error, too.
    assert 0.0 < easy.error < 0.2
    again = success(dmft.PhaseRetrieval(12.0), 60, 60.0, instances=2, starts=6)
    assert np.array_equal(again.m, easy.m)
    with pytest.raises(ValueError, match="starts"):
        success(dmft.PhaseRetrieval(2.0), 60, 1.0, instances=1, starts=0)


def made_up(power):
    """Return a table whose F vanishes at alpha = 7 - 5 t^-power."""
    rows = [
        (1.0, alpha, t, (7.0 - 5.0 * t**-power - alpha) / 8.0, 0.01)
        for alpha in (4.0, 5.0, 6.0, 7.0, 8.0)
        for t in (3.0, 8.0, 16.0, 32.0, 64.0, 128.0)
    ]
    names = ("a", "alpha", "t", "F", "F_error")
    return {name: np.array(one) for name, one in zip(names, zip(*rows, strict=True), strict=True)}


@pytest.mark.parametrize("power", [2.0 / 3.0, 0.5, 1.0 / 3.0])
def test_extrapolation_covers(power):
    found = measured_threshold.crossings(made_up(power), 1.0)
    assert found[-1].alpha == pytest.approx(7.0 - 5.0 * 128.0**-power)
    # 0.01/(1/8), and less between two points.
    assert 0.05 < found[-1].error < 0.081
    threshold = measured_threshold.extrapolated(found)
    assert abs(threshold.alpha - 7.0) < threshold.error < 1.5
    with pytest.raises(ValueError, match="crossings"):
        measured_threshold.extrapolated(found[:3])


def test_figure():
    pytest.importorskip("matplotlib")
    growth = made_up(0.5)
    growth |= {"slope": growth["F"], "slope_error": growth["F_error"]}
    rates = {"a": np.ones(2), "N": np.array([100, 100]), "alpha": np.array([2.0, 3.0]),
             "rate": np.array([0.1, 0.9]), "standard_error": np.array([0.1, 0.1])}  # fmt: skip
    drawn = measured_threshold.figure(rates, growth, {1.0: {"one-step": 7.094}})
    assert len(drawn.axes) == 3
