"""Linear regression against the closed form: the exact test of paths, weights and responses."""

import numpy as np
import pytest

import dmft
from tests.systems.glm.marchenko_pastur import Descent

# alpha, noise, ridge, step, m0, q0, steps
CASES = [
    (2.0, 0.5, 0.3, 0.05, 0.2, 1.0, 120),
    (0.5, 0.0, 0.0, 0.1, 0.0, 1.0, 100),
    (0.5, 0.3, 0.1, 0.1, 0.1, 0.5, 100),
    (3.0, 0.2, 0.0, 0.1, 0.5, 1.0, 60),
    (2.0, 0.5, 0.1, 0.05, 0.0, 0.0, 100),
]


def run(case, **how):
    alpha, noise, ridge, step, m0, q0, steps = case
    model = dmft.LinearRegression(alpha, noise, ridge)
    return dmft.solve(model, t_end=steps * step, m0=m0, q0=q0, step=step, progress=False, **how)


@pytest.mark.parametrize("case", CASES)
def test_512_paths_are_exact_to_1e_8(case):
    s, exact, n = run(case, paths=512, replicas=1), Descent(*case[:-1]), case[-1]
    q, loss = exact.q_and_loss(n)
    assert np.abs(s.m - exact.m(n)).max() < 1e-8
    assert np.abs(s.q - q).max() < 1e-8
    assert np.abs(s.train_loss - loss).max() < 1e-8
    # C and R at all pairs of steps.
    later, earlier = np.tril_indices(n + 1)
    C = s.C(s.t[later], s.t[earlier])
    assert np.abs(C - exact.mean_C(n)[later, earlier]).max() < 1e-8
    R = s.R(s.t[later], s.t[earlier])
    assert np.abs(R - exact.R(n)[later - earlier]).max() < 1e-8


def test_test_error_of_regression():
    s = run(CASES[0], paths=512, replicas=1)
    assert s.test_error == pytest.approx(1.0 - 2.0 * s.m + s.q + 0.25, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "batch"), [((2.0, 0.5, 0.3, 0.05, 0.2, 1.0, 60), 0.5), ((*CASES[1][:-1], 50), 0.3)]
)
def test_batches_of_regression(case, batch):
    # The noise of the batches is 0.006 to 0.01 in q, and is found to 1 part in 20: false alarm
    # below 1e-4 if the 8 replicas scatter like Gaussians (|t| > 7 with 7 degrees of freedom).
    s, n = run(case, batch=batch, paths=2**12, response_paths=2**12, replicas=8), case[-1]
    q, loss = Descent(*case[:-1], batch).q_and_loss(n)
    assert np.abs(s.q[1:] - q[1:]).max() < 5e-4
    assert (np.abs(s.q - q)[1:] < 7.0 * s.standard_error("q")[1:] + 1e-5).all()
    assert (np.abs(s.train_loss - loss)[1:] < 7.0 * s.standard_error("train_loss")[1:] + 1e-5).all()
