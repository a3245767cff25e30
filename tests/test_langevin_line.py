"""The Langevin line above T = 1 from the dynamics: a check that no formula went into."""

import numpy as np
import pytest

import dmft


@pytest.mark.parametrize(("factor", "grows"), [(0.9, False), (1.13, True)])
def test_paramagnet_is_left_at_1_over_delta_2_equal_to_T(factor, grows):
    """p=3, Dp=10, T=1.5: small overlaps grow above 1/Delta_2 = T and decay below it."""
    T, delta_p = 1.5, 10.0
    line = 1.0 / float(dmft.theory.thresholds.langevin(3, delta_p, T)[0])
    assert line == pytest.approx(T)
    model = dmft.SpikedMatrixTensor(3, 1.0 / (factor * line), delta_p)
    m = dmft.solve(model, 30.0, m0=1e-6, T=T, tol=1e-3).at([25.0, 30.0]).m
    assert (np.log(m[1] / m[0]) > 0) is np.bool_(grows)
