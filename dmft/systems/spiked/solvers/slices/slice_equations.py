"""The equations of one slice and their solution by Newton's method.

With Sigma(t,s) = R(t,s) K2(C(t,s)) and D(t,s) = K1(C(t,s)), slice t obeys, given the earlier ones,

    d_t' R(t,t') =  mu(t') R(t,t') - int_t'^t R(t,s) Sigma(s,t') ds,   R(t,t) = 1            (1)
    d_t' C(t,t') = -mu(t') C(t,t') + S(m(t')) m(t) + 2T R(t,t') + int_0^t' Sigma(t',s) C(t,s) ds
                   + int_0^t' D(t',s) R(t,s) ds + int_t'^t D(s,t') R(t,s) ds                 (2)
    C(t,0)       =  R(t,0) + m0 int_0^t R(t,s) S(m(s)) ds                                    (3)
    m(t)         =  R(t,0) m0 + int_0^t R(t,s) S(m(s)) ds                                    (4)
    mu(t)        =  T + m S(m) + int_0^t R(t,s) [K1(C(t,s)) + C(t,s) K2(C(t,s))] ds          (5)

by collocation in t': no derivative in t is discretised, so no step of t is too large for stability.
Where T, S and the kernels depend on time they are taken at the time t' of the equation, K1 and K2
also at s.  A node at a jump is the right end of the panel in which the equation of C holds, so that
equation takes the values before the jump; the equation of R takes those after it.
C(t,t) = 1 is not imposed: its deviation from 1 measures the error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import threads
from dmft.systems.spiked.protocol.drive import Side
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices._assembly import Integrals, Polynomials, integrals
from dmft.systems.spiked.solvers.slices._quadrature import quadrature
from dmft.systems.spiked.solvers.slices.factorised import Factorised
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.rule import FULL, Rule
from dmft.systems.spiked.solvers.slices.time_coefficients import (
    TimeCoefficients,
    derivative,
    polynomial,
)
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time._lookups import Known
from dmft.two_time._one_time import one_times
from dmft.two_time.panels import PanelGrid
from dmft.two_time.slices import NEVER

__all__ = ["SliceEquations", "Solved", "Unknown"]

Array = NDArray[np.float64]


class Unknown(NamedTuple):
    """Values of a slice: R and C at the nodes, m and mu."""

    R: Array
    C: Array
    m: float
    mu: float


class Solved(NamedTuple):
    """A solved slice: values, whether Newton's method converged, its evaluations, last update."""

    values: Unknown
    ok: bool
    evaluations: int
    update: float


class _RowPoints(NamedTuple):
    """Quadrature over the whole slice: weights, panels, interpolation rows, and time stencils."""

    weight: Array
    panel: NDArray[np.int64]
    rows: Array
    spans: NDArray[np.int64]
    stencils: Array


class _RowIntegrals(NamedTuple):
    """Integrals M of (3) and (4) and G of (5) over the slice; derivatives by R, m and C."""

    M: float
    dM_R: Array
    dM_m: float
    G: float
    dG_R: Array
    dG_C: Array


class SliceEquations:
    """Equations (1)-(5) of the newest slice of a history."""

    # Whether C and R obey the equations in t in place of (1) and (2), see `forward`.
    forward = False
    # The memory integrals of the equations of R and of C.
    integrals = staticmethod(integrals)

    def __init__(
        self, problem: Problem, history: History, grid: PanelGrid, h0: float,
        coefficients: TimeCoefficients | None = None, rule: Rule = FULL,
    ) -> None:  # fmt: skip
        self.problem, self.history, self.grid, self.rule = problem, history, grid, rule
        self.coefficients = d = coefficients or TimeCoefficients(problem)
        jumps = history.jumps
        self._collocate()
        parts, counts = self._panels(h0, jumps, grid.nodes, grid.nodes_tau)
        reference, gauss = panels.reference(grid.order), panels.unit_gauss(rule.points)
        ref, bary = reference.nodes, reference.weights
        rules = lookups.Rules(ref, bary, *gauss, d.K1, d.K2)
        factors = self._factors(parts, counts, gauss[0])
        self.polynomials = Polynomials(ref, bary, d.K1, d.K2)
        past, n = history.past(), history.n
        self.row = _RowPoints(*lookups.row_points(past, n, rules, parts[0, 0], *counts[0, 0]))
        self.index = grid.order * self.row.panel[:, None] + np.arange(grid.order + 1)
        at_nodes = self._nodes_of_integrals(past, rules, parts, counts, h0)
        self.known = self._room(len(at_nodes.nodes), rule.points * int(np.max(at_nodes.counts)))
        threads.share(
            lookups.known_part, past, n, at_nodes, rules, factors, self.forward, self.known
        )
        self.times = lookups.time_stencils(past, n, grid.nodes)
        self.T_left, self.S_left = d.temperature(grid.nodes), d.signal(grid.nodes)
        self._left_of_jumps(jumps)
        self.m_scale = history.m_scale
        self.mu_scale = 1.0 / history.t0

    def _collocate(self) -> None:
        """Note the differentiation rows of the nodes, in the panels on the right and on the left.

        A node at the end of the slice has one panel only.
        """
        grid = self.grid
        self.right, self.left, half = panels.collocation_rows(grid, panels.reference(grid.order))
        self.size = len(grid.nodes)
        k, p = np.arange(self.size), grid.order
        on_right, on_left = np.minimum(k // p, len(half) - 1), np.maximum((k - 1) // p, 0)
        self.half_right, self.half_left = half[on_right], half[on_left]
        self.columns_right = p * on_right[:, None] + np.arange(p + 1)
        self.columns_left = p * on_left[:, None] + np.arange(p + 1)

    def _panels(
        self, h0: float, jumps: Array, nodes: Array, nodes_tau: Array
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return the panels of the memory integrals at times t' and t - t', and their numbers."""
        grid = self.grid
        levels = max(0, math.ceil(math.log2(0.5 * grid.t / h0)))
        cap = 4 * (levels + 3) * (len(jumps) + 1) + 3 * len(grid.edges)
        found: tuple[Array, NDArray[np.int64]] = quadrature(
            nodes, nodes_tau, self.rule.end * h0, grid.edges, grid.edges_tau, jumps, cap,
            self.rule.wider, *self.rule.layout,
        )  # fmt: skip
        return found

    def _nodes_of_integrals(
        self, past: lookups.Past, rules: lookups.Rules, parts: Array, counts: NDArray[np.int64],
        h0: float,
    ) -> lookups.NodeIntegrals:  # fmt: skip
        """Return the nodes that have memory integrals, and the panels of these."""
        return lookups.NodeIntegrals(self.grid.nodes, self.grid.nodes_tau, parts, counts)

    def _room(self, size: int, cap: int) -> Known:
        """Return the arrays of the known part, with room for `cap` points of a list and node."""
        scratch, powers = self.history.scratch, self.coefficients.K1.size
        fixed = scratch("fixed", (3, size, self.size))
        fixed[...] = 0.0
        shape = (2, size, cap if self.coefficients.drive is not None else 0, 2, powers)
        return Known(
            fixed, scratch("points", (2, size, cap, 7)), scratch("kernels", shape),
            scratch("where", (2, size, cap, 2), np.int32), np.zeros((2, size), np.int64),
        )  # fmt: skip

    def _factors(self, parts: Array, counts: NDArray[np.int64], x: Array) -> lookups.Factors:
        """Return the factors of the kernels at the nodes and at all points of their integrals.

        `x` are the Gauss points on [0, 1].
        """
        d, g = self.coefficients, self.grid
        sides: tuple[Side, Side] = ("before", "after")
        rows = np.stack([d.factors(g.nodes, side) for side in sides])
        if d.drive is None:
            self.row_factors = np.empty(0)
            return lookups.Factors(rows, np.empty((2, self.size, 0, 0)))
        index = np.arange(np.max(counts))[:, None]
        left, all_ = (counts[:, :, k, None, None] for k in range(2))
        # Beyond the panels of a node the memory may hold anything.
        parts = np.where(index < all_, parts[:, :, : len(index)], 0.0)
        y = panels.spread(parts, x)
        length = np.stack([g.nodes_tau, g.nodes])[:, :, None, None]
        first = np.stack([g.nodes, np.zeros(self.size)])[:, :, None, None]
        s = first + np.where(index < left, y, length - y)
        s = np.where(index < all_, s, 0.0).reshape(2, self.size, -1)
        columns = d.factors(s)
        self.row_factors = columns[0, 0, : self.rule.points * counts[0, 0, 1]]
        return lookups.Factors(rows, columns)

    def _left_of_jumps(self, jumps: Array) -> None:
        """Note the nodes at jumps, and mu before each: the first of the two slices there has it."""
        self.jump_nodes = np.searchsorted(self.grid.nodes, jumps)
        last = self.history.segments[:, lookups.FINAL]
        self.jump_mu = self.history.mu[last[last < NEVER].astype(np.int64)]

    def evaluate(self, x: Unknown, jacobian: bool) -> tuple[Array, Array | None]:
        """Return the residual of (1)-(5), rows scaled by the half widths, and its Jacobian.

        Order of rows and columns: R, C, m, mu; m in units of its size, mu in units of
        the model's rate.
        """
        self.history.set_one_time(x.m, x.mu)
        I1, I2, dI1, dI2 = self._memory(x, jacobian)
        h = self.history
        at_nodes = one_times(h.m, h.mu, h.log_m, h.n, *self.times).T
        row = self._row_integrals(x)
        F = self._residual(x, I1, I2, at_nodes, row)
        return F, self._jacobian(x, dI1, dI2, at_nodes, row) if jacobian else None

    def _memory(self, x: Unknown, jacobian: bool) -> Integrals:
        """Return the memory integrals of the nodes, and their derivatives."""
        rows = self.known.found.shape[1]
        slopes = self.history.scratch("dI", (2, rows if jacobian else 0, 2 * self.size))
        out = Integrals(*np.empty((2, rows)), *slopes)
        threads.share(self.integrals, x.R, x.C, self.polynomials, self.known, jacobian, out)
        return out

    def _residual(
        self, x: Unknown, I1: Array, I2: Array, at_nodes: Array, row: _RowIntegrals
    ) -> Array:
        N, m0 = self.size, self.problem.m0
        F = np.empty(2 * N + 2)
        self._two_times(F, x, I1, I2, at_nodes)
        F[N - 1] = x.R[-1] - 1.0
        F[N] = x.C[0] - x.R[0] - m0 * row.M
        F[2 * N] = (x.m - x.R[0] * m0 - row.M) / self.m_scale
        T, S = self.T_left[-1], float(polynomial(self._signal(), x.m))
        F[2 * N + 1] = (x.mu - T - x.m * S - row.G) / self.mu_scale
        return F

    def _two_times(self, F: Array, x: Unknown, I1: Array, I2: Array, at_nodes: Array) -> None:
        """Fill in the residuals of (1) and (2)."""
        N = self.size
        m_k, mu_k = at_nodes[:2]
        dR = np.einsum("kb,kb->k", self.right, x.R[self.columns_right])
        dC = np.einsum("kb,kb->k", self.left, x.C[self.columns_left])
        S_k = polynomial(self.S_left, m_k)
        F[:N] = self.half_right * (dR - mu_k * x.R + I1)
        F[N : 2 * N] = self.half_left * (
            dC + self._mu_left(mu_k) * x.C - S_k * x.m - 2.0 * self.T_left * x.R - I2
        )

    def _signal(self) -> Array:
        """Coefficients of S at the time of the slice."""
        return self.S_left if self.S_left.ndim == 1 else np.asarray(self.S_left[-1])

    def _mu_left(self, mu_k: Array) -> Array:
        if len(self.jump_nodes) == 0:
            return mu_k
        mu_left = mu_k.copy()
        mu_left[self.jump_nodes] = self.jump_mu
        return mu_left

    def _jacobian(
        self, x: Unknown, dI1: Array, dI2: Array, at_nodes: Array, row: _RowIntegrals
    ) -> Array:
        N = self.size
        J = self.history.scratch("J", (2 * N + 2, 2 * N + 2))
        J[:, 2 * N :] = J[2 * N :] = 0.0
        self._two_time_slopes(J, x, dI1, dI2, at_nodes)
        J[N - 1] = 0.0
        J[N - 1, N - 1] = 1.0
        self._last_rows(J, x, row)
        J[:, 2 * N + 1] *= self.mu_scale
        J[2 * N + 1] /= self.mu_scale
        return J

    def _two_time_slopes(
        self, J: Array, x: Unknown, dI1: Array, dI2: Array, at_nodes: Array
    ) -> None:
        """Fill in the derivatives of (1) and (2)."""
        N, scale = self.size, self.m_scale
        m_k, mu_k, dm_k, dmu_k = at_nodes
        hr, hl, k = self.half_right, self.half_left, np.arange(N)
        # (1)
        np.multiply(hr[:, None], dI1, out=J[:N, : 2 * N])
        J[k[:, None], self.columns_right] += hr[:, None] * self.right
        J[k, k] -= hr * mu_k
        J[:N, 2 * N + 1] = -hr * dmu_k * x.R
        # (2)
        S_k, dS_k = polynomial(self.S_left, m_k), polynomial(derivative(self.S_left), m_k)
        np.multiply(-hl[:, None], dI2, out=J[N : 2 * N, : 2 * N])
        J[N + k[:, None], N + self.columns_left] += hl[:, None] * self.left
        J[N + k, N + k] += hl * self._mu_left(mu_k)
        J[N + k, k] -= 2.0 * self.T_left * hl
        J[N : 2 * N, 2 * N + 1] = hl * dmu_k * x.C
        J[N : 2 * N, 2 * N] = -hl * (S_k + dS_k * dm_k * x.m) * scale

    def _last_rows(self, J: Array, x: Unknown, row: _RowIntegrals) -> None:
        """Fill in the rows of (3), (4) and (5)."""
        N, scale, m0 = self.size, self.m_scale, self.problem.m0
        J[N] = 0.0
        J[N, N], J[N, 0] = 1.0, -1.0
        J[N, :N] -= m0 * row.dM_R
        J[N, 2 * N] = -m0 * row.dM_m * scale
        J[2 * N, :N] = -row.dM_R / scale
        J[2 * N, 0] -= m0 / scale
        J[2 * N, 2 * N] = 1.0 - row.dM_m
        signal = self._signal()
        S, dS = (float(polynomial(c, x.m)) for c in (signal, derivative(signal)))
        J[2 * N + 1, :N] = -row.dG_R
        J[2 * N + 1, N : 2 * N] = -row.dG_C
        J[2 * N + 1, 2 * N] = -(S + x.m * dS) * scale
        J[2 * N + 1, 2 * N + 1] = 1.0

    def _row_integrals(self, x: Unknown, side: Side = "before") -> _RowIntegrals:
        h, d = self.history, self.coefficients
        w = self.row.weight
        stencils = self.row.spans, self.row.stencils
        m_s, _, dm_s, _ = one_times(h.m, h.mu, h.log_m, h.n, *stencils).T
        R, C = self._on_row(x)
        signal = d.S if d.drive is None else d.S * self.row_factors
        S, dS = polynomial(signal, m_s), polynomial(derivative(signal), m_s)
        K1, K2 = d.kernel(d.factors(self.grid.t, side), self.row_factors)
        at_C = polynomial(K1, C) + C * polynomial(K2, C)
        slope = polynomial(derivative(K1), C) + polynomial(K2, C)
        slope = slope + C * polynomial(derivative(K2), C)
        dM_R, dG_R, dG_C = (self._by_node(f) for f in (w * S, w * at_C, w * R * slope))
        return _RowIntegrals(
            float(np.sum(w * R * S)), dM_R, float(np.sum(w * R * dS * dm_s)),
            float(np.sum(w * R * at_C)), dG_R, dG_C,
        )  # fmt: skip

    def _by_node(self, factor: Array) -> Array:
        """Return the sums, over the points of the integrals, of what each is of every node."""
        values = (factor[:, None] * self.row.rows).ravel()
        return np.asarray(np.bincount(self.index.ravel(), values, self.size), dtype=np.float64)

    def _on_row(self, x: Unknown) -> tuple[Array, Array]:
        """Values of R and C at the points of the integrals over the slice."""
        rows = self.row.rows
        R, C = (np.einsum("jb,jb->j", rows, values[self.index]) for values in (x.R, x.C))
        return R, C

    def energies(self, x: Unknown, side: Side = "before") -> Array:
        """Energy per channel, e_p = -a_p m^p/p - int R noise_p C^(p-1)."""
        d, w = self.coefficients, self.row.weight
        R, C = self._on_row(x)
        K1 = d.kernel(d.factors(self.grid.t, side), self.row_factors)[0]
        memory = np.sum((w * R)[:, None] * K1 * C[:, None] ** np.arange(len(d.K1)), axis=0)
        return d.energies(self.grid.t, side, x.m, memory)

    def mu_after(self, x: Unknown) -> float:
        """Return mu, eq. (5), after a jump at the time of the slice."""
        d, t = self.coefficients, self.grid.t
        S = float(polynomial(d.signal(t, "after"), x.m))
        return float(d.temperature(t, "after")) + x.m * S + self._row_integrals(x, "after").G

    def solve(self, x: Unknown, tol: float, max_iter: int = 12) -> Solved:
        """Solve by Newton's method from x; a factorisation is kept while the steps contract."""
        lu: Factorised | None = None
        last = math.inf
        for iteration in range(1, max_iter + 1):
            F, J = self.evaluate(x, lu is None)
            fresh = J is not None
            if J is not None:
                if not np.all(np.isfinite(J)):
                    return Solved(x, False, iteration, math.inf)
                lu = Factorised(J, self.history.scratch)
            assert lu is not None
            d = lu.solve(F)
            size = float(np.max(np.abs(d)))
            if not math.isfinite(size) or size > 10.0:
                return Solved(x, False, iteration, size)
            N = self.size
            x = Unknown(
                x.R - d[:N], x.C - d[N : 2 * N], x.m - float(d[2 * N]) * self.m_scale,
                x.mu - float(d[2 * N + 1]) * self.mu_scale,
            )  # fmt: skip
            # After a full Newton step the error is of the order of the update squared.
            left = size * size * 10.0 if fresh else size * min(1.0, size / last)
            if left < tol:
                self.history.set_one_time(x.m, x.mu)
                return Solved(x, True, iteration, size)
            if not fresh and size > 0.2 * last:
                lu = None
            last = size
        return Solved(x, False, max_iter, last)
