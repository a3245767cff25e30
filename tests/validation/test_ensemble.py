"""Named series of any system."""

import pickle

import numpy as np
import pytest

from validation.ensemble import Ensemble, Observable

T = np.array([0.0, 1.0, 3.0])


@pytest.fixture
def runs():
    rng = np.random.default_rng(0)
    return Ensemble(50, T, {"loss": rng.normal(size=(4, 3))}, {"K": rng.normal(size=(4, 3, 3))})


def test_observables_are_what_scatters(runs):
    """Series at t > 0, pairs with t_prime < t, in the sequence of the times."""
    first, *others = runs.observables()
    assert first.quantity == "loss"
    assert np.isnan(first.t_prime)
    pairs = [one for one in others if one.quantity == "K"]
    assert pairs == [
        Observable("K", 1.0, 0.0),
        Observable("K", 3.0, 0.0),
        Observable("K", 3.0, 1.0),
    ]
    sample = runs.sample()
    assert sample.shape == (4, 5)
    np.testing.assert_array_equal(sample[:, 0], runs["loss"][:, 1])
    np.testing.assert_array_equal(sample[:, -1], runs["K"][:, 2, 1])


def test_means_and_errors(runs):
    assert runs.seeds == 4
    np.testing.assert_allclose(runs.mean("loss"), runs["loss"].mean(axis=0))
    np.testing.assert_allclose(runs.standard_error("K"), runs["K"].std(axis=0, ddof=1) / 2.0)
    with pytest.raises(KeyError, match="m"):
        runs.mean("m")


def test_ensembles_go_to_other_processes(runs):
    back = pickle.loads(pickle.dumps(runs))
    np.testing.assert_array_equal(back["loss"], runs["loss"])
