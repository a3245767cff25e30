"""Late times of ridge mixtures against the minimum of the loss, which no dynamics enter."""

import numpy as np
import pytest

import dmft

ALPHA, RIDGE, DELTA = 2.0, 0.3, 0.5


def end(loss, **how):
    model = dmft.GaussianMixture(ALPHA, DELTA, loss, RIDGE)
    s = dmft.solve(model, t_end=40.0, m0=0.0, step=0.25, progress=False, **how)
    response = 0.25 * s.R(40.0, s.t[1:]).sum()
    return s.m[-1], s.q[-1], response, s.train_loss[-1]


def test_square_loss_ends_at_the_closed_form():
    # chi is the positive root of lambda D chi^2 + (lambda + alpha D - D) chi - 1 = 0.
    chi = np.roots([RIDGE * DELTA, RIDGE + ALPHA * DELTA - DELTA, -1.0]).max()
    s = chi * ALPHA / (1.0 + DELTA * chi)
    m = s / (1.0 + s)
    u = chi**2 * ALPHA * DELTA / (1.0 + DELTA * chi) ** 2
    q = (m * m + u * (1.0 - m) ** 2) / (1.0 - u * DELTA)
    loss = ALPHA * 0.5 * ((1.0 - m) ** 2 + DELTA * q) / (1.0 + DELTA * chi) ** 2
    assert (m, q, chi, loss) == pytest.approx((0.578574, 0.547406, 1.045176, 0.194672), abs=1e-6)
    assert end("square", paths=512, replicas=1) == pytest.approx((m, q, chi, loss), abs=1e-7)


@pytest.mark.slow
def test_logistic_loss_ends_at_the_replica_symmetric_minimum():
    # From state evolution, other code.
    wanted = (1.064210, 1.491150, 2.295565, 0.555181)
    found = end("logistic", paths=2**13, response_paths=2**11, replicas=4)
    assert found == pytest.approx(wanted, abs=1e-4)
