"""The exact solutions themselves: against published values and against the equations."""

import numpy as np
import pytest

from dmft.systems.spiked.equations import rates
from dmft.systems.spiked.model import SpikedMixture
from tests.exact.matrix_channel import MatrixChannel
from tests.exact.matrix_descent import matrix_descent


@pytest.mark.parametrize(
    ("t", "m", "C", "R"), [(2.0, 0.651672, 0.399166, 0.223807), (5.0, 0.665015, 0.249495, 0.054935)]
)
def test_check_values(t, m, C, R):
    exact = MatrixChannel(0.6, 0.3, 0.0)
    assert [exact.m(t), exact.C(t, 0.0), exact.R(t, 0.0)] == pytest.approx([m, C, R], abs=5e-7)


@pytest.mark.parametrize("T", [0.0, 0.5, 1.2])
def test_fulfils_the_equations(T):
    """Residual of (1)-(5) at t = 1.5 on a grid of step h falls like h^2."""
    exact, model = MatrixChannel(0.6, 0.3, T), SpikedMixture({2: 0.6}).coefficients()
    t_n, residuals = 1.5, []
    for n in (8, 16):
        t = np.linspace(0.0, t_n, n + 1)
        C = np.array([[exact.C(max(a, b), min(a, b)) for b in t] for a in t])
        R = np.array([[exact.R(a, b) if b <= a else 0.0 for b in t] for a in t])
        m = np.array([exact.m(a) for a in t])
        got = rates(model, T, t, C, R, m)
        d = 1e-4
        j = n // 2
        want_C = (exact.C(t_n + d, t[j]) - exact.C(t_n - d, t[j])) / (2 * d)
        want_R = (exact.R(t_n + d, t[j]) - exact.R(t_n - d, t[j])) / (2 * d)
        want_m = (exact.m(t_n + d) - exact.m(t_n - d)) / (2 * d)
        e = float(got.e_p.sum())
        residuals.append(
            [got.dC[j] - want_C, got.dR[j] - want_R, got.dm - want_m, got.mu - exact.mu(t_n),
             e - exact.e(t_n)]
        )  # fmt: skip
    ratio = np.array(residuals[0]) / np.array(residuals[1])
    assert np.log2(ratio) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("T", [0.0, 0.5])
def test_descent_tends_to_flow(T):
    """C(2,0) of discrete descent approaches that of the flow with an error proportional to h."""
    exact = MatrixChannel(0.6, 0.3, T).C(2.0, 0.0)
    errors = [abs(matrix_descent(0.6, 0.3, T, 2.0 / n, n)[1][-1, 0] - exact) for n in (40, 80)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.15)
