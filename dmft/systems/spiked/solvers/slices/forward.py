"""The equations of a late slice in t, which determine its time where those in t' barely do.

While a model ages, C(t,t') and R(t,t') change only slowly with t.  A slice that is shifted a little
in time therefore obeys the equations in t' (`slice_equations`) almost as well.  The shift is then
determined by the interpolation between slices, and in the end by its rounding errors.  In the
published form of the equations,

    d_t R(t,t') = -mu(t) R(t,t') + int_t'^t Sigma(t,s) R(s,t') ds                           (1')
    d_t C(t,t') = -mu(t) C(t,t') + S(m(t)) m(t') + int_0^t Sigma(t,s) C(s,t') ds
                  + int_0^t' D(t,s) R(t',s) ds,                                             (2')

the kernels Sigma and D are those of the newest slice alone, so a shift of its time leaves a
residual.  The derivative is taken along the curves on which slices are interpolated, t' = c(t),
where it is small in aging: d_t C = d/dt C(t, c(t)) - c'(t) d_t' C.  R(t,t) = C(t,t) = 1 are
imposed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices._assembly import Integrals, forward_integrals
from dmft.systems.spiked.solvers.slices.far import EARLY, LATE, Far, Newest, possible
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.rule import FULL, Rule
from dmft.systems.spiked.solvers.slices.slice_equations import SliceEquations, Unknown
from dmft.systems.spiked.solvers.slices.time_coefficients import (
    TimeCoefficients,
    derivative,
    polynomial,
)
from dmft.two_time import _lookups as lookups
from dmft.two_time.panels import PanelGrid, spread

__all__ = ["ForwardEquations"]

Array = NDArray[np.float64]

# Degree of the backward difference.
DEGREE = 4


class ForwardEquations(SliceEquations):
    """Equations (1'), (2'), (3)-(5) of the newest slice, without a drive and in the first segment.

    The history has more than DEGREE slices before it.
    """

    forward = True
    integrals = staticmethod(forward_integrals)

    def __init__(
        self, problem: Problem, history: History, grid: PanelGrid, h0: float,
        coefficients: TimeCoefficients | None = None, rule: Rule = FULL,
    ) -> None:  # fmt: skip
        super().__init__(problem, history, grid, h0, coefficients, rule)
        past, n, t, t0 = history.past(), history.n, grid.t, history.t0
        start = n - DEGREE
        weights = _derivative_weights(past.x[0, start:]) / (t + t0)
        # d/dt along the curves is a known part from older slices plus `newest` times slice n.
        self.along_C, self.along_R = lookups.evaluate(
            past, n, np.full(self.size, t), grid.nodes, grid.nodes_tau, start, DEGREE,
            weights[:DEGREE],
        )  # fmt: skip
        self.newest = float(weights[DEGREE])
        self.speed, self.stretch = self._curves(lookups.bending(past, start, DEGREE))

    def _nodes_of_integrals(
        self, past: lookups.Past, rules: lookups.Rules, parts: Array, counts: NDArray[np.int64],
        h0: float,
    ) -> lookups.NodeIntegrals:  # fmt: skip
        self.far: Far | None = None
        grid, n = self.grid, self.history.n
        t = grid.t
        if not self.rule.far or not possible(t, t - float(past.t[n - 1])):
            return super()._nodes_of_integrals(past, rules, parts, counts, h0)
        # Halves of intervals that are twice as long: (0, e) and (t - d, t).
        double = np.array([2.0 * EARLY, 1.0 - 2.0 * LATE]) * t
        parts2, counts2 = self._panels(h0, np.empty(0), double, t - double)
        early = parts2[1, 0, : counts2[1, 0, 0]]
        late = parts2[0, 1, counts2[0, 1, 0] : counts2[0, 1, 1]]
        self.far = far = Far(grid, parts, counts, early)
        weight, panel, rows, _, _ = lookups.row_points(past, n, rules, late, 0, len(late))
        y = spread(late, rules.gauss_x)
        columns = grid.order * panel[:, None] + np.arange(grid.order + 1)
        far.prepare(past, n, rules, weight[:, None] * rows, columns, y.ravel())
        return far.nodes

    def _memory(self, x: Unknown, jacobian: bool) -> Integrals:
        out = super()._memory(x, jacobian)
        if self.far is None:
            return out
        d = self.coefficients
        K2, slope = polynomial(d.K2, x.C), polynomial(derivative(d.K2), x.C)
        self.far.add(x.R, x.C, Newest(x.R * K2, K2, x.R * slope), out)
        N = self.size
        return Integrals(out.I1[:N], out.I2[:N], out.dI1[:N], out.dI2[:N])

    def _curves(self, bend: float) -> tuple[Array, Array]:
        """Return dt'/dt on the curves, and d log tau/dt: what is differentiated is tau R."""
        g, t = self.grid, self.grid.t
        near = np.minimum(g.nodes, g.nodes_tau)
        power = 1.0 - bend * t * self.history.t0 / (near**2 + t * self.history.t0)
        speed = np.where(g.nodes > g.nodes_tau, 1.0 - power * near / t, power * near / t)
        stretch = np.zeros(self.size)
        stretch[:-1] = bend * (1.0 - speed[:-1]) / g.nodes_tau[:-1]
        return speed, stretch

    def _two_times(self, F: Array, x: Unknown, I1: Array, I2: Array, at_nodes: Array) -> None:
        N = self.size
        dR, dC = (
            np.einsum("kb,kb->k", self.right, values[self.columns_right]) for values in (x.R, x.C)
        )
        S = float(polynomial(self._signal(), x.m))
        F[:N] = self.half_right * (
            self.along_R + (self.newest - self.stretch + x.mu) * x.R - self.speed * dR - I1
        )
        F[N : 2 * N] = self.half_right * (
            self.along_C + (self.newest + x.mu) * x.C - self.speed * dC - S * at_nodes[0] - I2
        )
        F[2 * N - 1] = x.C[-1] - 1.0

    def _two_time_slopes(
        self, J: Array, x: Unknown, dI1: Array, dI2: Array, at_nodes: Array
    ) -> None:
        N, hr, k = self.size, self.half_right, np.arange(self.size)
        m_k, _, dm_k, _ = at_nodes
        signal = self._signal()
        S, dS = (float(polynomial(c, x.m)) for c in (signal, derivative(signal)))
        np.multiply(-hr[:, None], dI1, out=J[:N, : 2 * N])
        J[k[:, None], self.columns_right] -= (hr * self.speed)[:, None] * self.right
        J[k, k] += hr * (self.newest - self.stretch + x.mu)
        J[:N, 2 * N + 1] = hr * x.R
        np.multiply(-hr[:, None], dI2, out=J[N : 2 * N, : 2 * N])
        J[N + k[:, None], N + self.columns_right] -= (hr * self.speed)[:, None] * self.right
        J[N + k, N + k] += hr * (self.newest + x.mu)
        J[N : 2 * N, 2 * N + 1] = hr * x.C
        J[N : 2 * N, 2 * N] = -hr * (dS * m_k + S * dm_k) * self.m_scale
        J[2 * N - 1] = 0.0
        J[2 * N - 1, 2 * N - 1] = 1.0


def _derivative_weights(x: Array) -> Array:
    """Return the weights, on values at all nodes x, of the derivative at the last one."""
    gaps = x[:, None] - x[None, :]
    np.fill_diagonal(gaps, 1.0)
    # prod(x_n - x_i, i != j, n) / prod(x_j - x_i, i != j); for j = n the sum of 1/(x_n - x_i).
    weights = np.prod(gaps[-1, :-1]) / np.where(np.arange(len(x)) < len(x) - 1, gaps[-1], 1.0)
    weights = weights / np.prod(gaps, axis=1)
    weights[-1] = np.sum(1.0 / gaps[-1, :-1])
    return np.asarray(weights)
