"""Models of high order at tight tolerances: C^(p-1) is steep, and mu sensitive to C."""

from __future__ import annotations

import numpy as np
import pytest

import dmft

FEW = dmft.SlicesOptions(max_slices=400)


def test_high_order_at_tight_tol_takes_few_slices():
    run = dmft.solve(dmft.SpikedMixture({20: 1.0}), 1.0, m0=0.1, tol=1e-9, options=FEW)
    assert run.success, run.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "tol", "t_end"), [(20, 1e-9, 2.0), (40, 1e-8, 2.0), (50, 1e-8, 1.5), (70, 1e-8, 1.5)]
)
def test_estimates_cover_at_high_order(p, tol, t_end):
    model = dmft.SpikedMixture({p: 1.0})
    run = dmft.solve(model, t_end, m0=0.1, tol=tol, options=FEW)
    assert run.success, run.message
    exact = dmft.solve(model, t_end, m0=0.1, tol=0.1 * tol, method="dense")
    t = np.linspace(0.01, t_end, 150)[:, None]
    t_prime = t * np.linspace(0.0, 1.0, 41)
    for name in ("m", "mu", "e"):
        difference = getattr(run.at(t), name) - getattr(exact.at(t), name)
        assert np.max(np.abs(difference)) < run.errors[name]
    for name in ("C", "R"):
        difference = getattr(run, name)(t, t_prime) - getattr(exact, name)(t, t_prime)
        assert np.max(np.abs(difference)) < run.errors[name]
