"""Revealed tensors: their law against stored ones, the limits of large N, the conditioning."""

import itertools
import math

import numpy as np
import pytest

import dmft
from dmft.model import Coefficients, SpikedMatrixTensor, SpikedMixture
from tests.systems.cases import SEED
from validation.compare import extrapolate, mean_and_covariance, sigmas
from validation.limit import limit_flow
from validation.revealed import Restricted, Revealed, symmetric_gaussian
from validation.simulate import simulate
from validation.statistics import Ensemble, compare
from validation.trajectories import flow_step_error, follow, simulate_revealed

THREE = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})
TIMES = np.array([0.0, 1.0, 2.0, 5.0, 10.0])


def assembled(tensor):
    """Return a restricted tensor as a dense array, entry by entry from its slices."""
    d, p = len(tensor.slices), tensor.p
    dense = np.empty((d,) * p)
    for index in itertools.product(range(d), repeat=p):
        a = max(index)
        rest = tuple(i for i in index if i < a)
        dense[index] = tensor.slices[a][p - len(rest) - 1][rest]
    return dense


@pytest.mark.parametrize("p", [2, 3, 4, 5])
def test_contraction_is_that_of_the_dense_tensor(p):
    rng, tensor = np.random.default_rng(0), Restricted(p)
    for _ in range(5):
        tensor.slices.append(tensor.draw(rng))
    dense, c = assembled(tensor), rng.standard_normal(5)
    for axes in itertools.permutations(range(p)):
        np.testing.assert_allclose(dense.transpose(axes), dense, rtol=1e-13)
    for _ in range(p - 1):
        dense = dense @ c
    np.testing.assert_allclose(tensor.contract(c), dense, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_entries_have_the_variance_of_a_symmetric_gaussian_tensor(p):
    """Var S_(i1..ip) = prod_i n_i!/p!, with n_i the number of times that i occurs."""
    rng, d, draws = np.random.default_rng(1), 3, 4000
    whole, sliced = [], []
    for _ in range(draws):
        tensor = Restricted(p)
        for _ in range(d):
            tensor.slices.append(tensor.draw(rng))
        sliced.append(assembled(tensor))
        whole.append(symmetric_gaussian(d, p, rng))
    for index in itertools.combinations_with_replacement(range(d), p):
        counts = np.bincount(index)
        want = math.prod(math.factorial(k) for k in counts) / math.factorial(p)
        for sample in (whole, sliced):
            got = np.var([tensor[index] for tensor in sample])
            assert got == pytest.approx(want, rel=5 * math.sqrt(2 / draws))


def stored_invariant(model, n, m0, times, step, T, rng):
    """Run descent on a stored tensor of the invariant law; return m, mu, e and C.

    ``S_p(c^(p-1), .)`` of S = Sym G is the mean over the places where G is left open, and G has
    independent entries.
    """
    tensors = {p: rng.standard_normal((n,) * p).astype("float32") for p in model.orders}
    c = np.zeros(n)
    c[:2] = m0, math.sqrt(1.0 - m0 * m0)
    rows, points = [], []
    wanted = np.rint(times / step).astype(int)
    for k in range(wanted[-1] + 1):
        force, e, slope = np.zeros(n), 0.0, 0.0
        for p, G in tensors.items():
            delta = model.channels[p]
            part = sum(left_open(G, c.astype("float32"), place) for place in range(p)) / p
            force += math.sqrt(p / (delta * n)) * part
            e_p = -(c[0] ** p) / (p * delta) - float(part @ c) / math.sqrt(n * p * delta)
            e, slope = e + e_p, slope + p * e_p
        force[0] += float(model.dQ(c[0]))
        if k in wanted:
            rows.append((c[0], T - slope, e))
            points.append(c)
        c = c + step * force + math.sqrt(2.0 * T * step / n) * rng.standard_normal(n)
        c = c / np.linalg.norm(c)
    at = np.array(points)
    return *np.array(rows).T, at @ at.T


def left_open(G, c, place):
    """Contract all places of G with c but one."""
    for _ in range(G.ndim - 1 - place):
        G = G @ c
    for _ in range(place):
        G = np.tensordot(c, G, axes=(0, 0))
    return G


def scores(a, b):
    """Return z of the differences of means and of variances of two samples."""
    z = []
    for power in (1, 2):
        one, two = ((x - (power - 1) * x.mean(axis=0)) ** power for x in (a, b))
        error = np.sqrt(one.var(axis=0, ddof=1) / len(one) + two.var(axis=0, ddof=1) / len(two))
        z.append((one.mean(axis=0) - two.mean(axis=0)) / error)
    return np.concatenate(z)


def against_stored(model, n, T, runs, m0=0.3):
    """Return z-scores of means and variances of 30 observables: revealed less stored."""
    times = np.array([0.0, 0.4, 1.0, 2.0, 3.0, 4.0])
    revealed = simulate_revealed(model, n=n, seeds=runs, m0=m0, times=times, step=0.2, T=T)
    rng = np.random.default_rng(5)
    stored = [stored_invariant(model, n, m0, times, 0.2, T, rng) for _ in range(runs)]
    m, mu, e, C = (np.array(values) for values in zip(*stored, strict=True))
    return scores(revealed.sample(), Ensemble(n, times, m, mu, e, C).sample())


@pytest.mark.parametrize(("orders", "n", "T"), [((2, 3), 16, 0.0), ((4,), 14, 0.5)])
def test_law_is_that_of_stored_tensors(orders, n, T):
    """At an N so small that all N directions are revealed on the way (21 queries)."""
    z = against_stored(SpikedMixture(dict.fromkeys(orders, 0.8)), n, T, 400)
    assert len(z) == 60
    assert 0.6 < np.sqrt(np.mean(z**2)) < 1.5
    assert np.max(np.abs(z)) < 4.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "n", "T"),
    [
        ({2: 0.7}, 130, 0.0),
        ({2: 0.7}, 30, 1.0),
        ({3: 0.8}, 130, 0.0),
        ({2: 0.7, 3: 1.0}, 30, 1.0),
        ({2: 0.7, 3: 1.0}, 80, 0.0),
        ({2: 0.9, 3: 1.5, 4: 2.0}, 30, 0.0),
        ({4: 0.8}, 30, 0.5),
    ],
    ids=str,
)
def test_law_is_that_of_stored_tensors_many_runs(channels, n, T):
    z = against_stored(SpikedMixture(channels), n, T, 1000)
    print(f"rms z = {np.sqrt(np.mean(z**2)):.3f}, largest {np.max(np.abs(z)):.2f} of {len(z)}")
    assert 0.7 < np.sqrt(np.mean(z**2)) < 1.4
    assert np.max(np.abs(z)) < 4.0
