"""The equations of one slice and their solution by Newton's method.

With Sigma(t,s) = R(t,s) K2(C(t,s)) and D(t,s) = K1(C(t,s)), slice t obeys, given the earlier ones,

    d_t' R(t,t') =  mu(t') R(t,t') - int_t'^t R(t,s) Sigma(s,t') ds,   R(t,t) = 1            (1)
    d_t' C(t,t') = -mu(t') C(t,t') + S(m(t')) m(t) + 2T R(t,t') + int_0^t' Sigma(t',s) C(t,s) ds
                   + int_0^t' D(t',s) R(t,s) ds + int_t'^t D(s,t') R(t,s) ds                 (2)
    C(t,0)       =  R(t,0) + m0 int_0^t R(t,s) S(m(s)) ds                                    (3)
    m(t)         =  R(t,0) m0 + int_0^t R(t,s) S(m(s)) ds                                    (4)
    mu(t)        =  T + m S(m) + int_0^t R(t,s) [K1(C(t,s)) + C(t,s) K2(C(t,s))] ds          (5)

by collocation in t': no derivative in t is discretised, so no step of t is too large for stability.
C(t,t) = 1 is not imposed: what it misses is a measure of the error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from dmft.solvers.base import Problem
from dmft.solvers.slices._assembly import integrals
from dmft.solvers.slices._quadrature import quadrature
from dmft.solvers.slices.history import History
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time._one_time import one_times
from dmft.two_time.panels import Grid

__all__ = ["Slice", "System", "Unknown"]

Array = NDArray[np.float64]

GAUSS = 12


class Unknown(NamedTuple):
    """Values of a slice: R and C at the nodes, m and mu."""

    R: Array
    C: Array
    m: float
    mu: float


class Slice(NamedTuple):
    """A solved slice: values, whether Newton's method converged, its evaluations, last update."""

    values: Unknown
    ok: bool
    evaluations: int
    update: float


class _Row(NamedTuple):
    """Integrals M of (3) and (4) and G of (5) over the slice; derivatives by R, m and C."""

    M: float
    dM_R: Array
    dM_m: float
    G: float
    dG_R: Array
    dG_C: Array


def _slope(c: Array) -> Array:
    """Return the coefficients of the derivative."""
    return np.asarray(polynomial.polyder(c), dtype=np.float64) if len(c) > 1 else np.zeros(1)


class System:
    """Equations (1)-(5) of the newest slice of a history."""

    def __init__(self, problem: Problem, history: History, grid: Grid, h0: float) -> None:
        self.problem, self.history, self.grid = problem, history, grid
        self.S, self.K1, self.K2 = problem.coefficients.polynomials()
        reference = panels.reference(grid.order)
        self.nodes, self.bary = reference.nodes, reference.weights
        self.right, self.left, half = panels.collocation_rows(grid, reference)
        self.size = len(grid.nodes)
        k, p = np.arange(self.size), grid.order
        # The panels right and left of a node (at the ends the only one).
        on_right, on_left = np.minimum(k // p, len(half) - 1), np.maximum((k - 1) // p, 0)
        self.half_right, self.half_left = half[on_right], half[on_left]
        self.columns_right = p * on_right[:, None] + np.arange(p + 1)
        self.columns_left = p * on_left[:, None] + np.arange(p + 1)
        x, w = np.polynomial.legendre.leggauss(GAUSS)
        levels = max(0, math.ceil(math.log2(0.5 * grid.t / h0)))
        cap = 4 * (levels + 3) + 3 * len(grid.edges)
        past, n = history.past(), history.n
        parts, counts = quadrature(grid.nodes, grid.nodes_tau, h0, grid.edges, grid.edges_tau, cap)
        rules = self.nodes, self.bary, 0.5 * (1.0 + x), 0.5 * w
        self.known = lookups.known_part(
            past, n, grid.nodes, grid.nodes_tau, *rules, self.K1, self.K2, parts, counts
        )
        self.row = lookups.row_points(past, n, *rules, parts[0, 0], *counts[0, 0])
        self.times = lookups.time_stencils(past, n, grid.nodes)
        self.index = grid.order * self.row[1][:, None] + np.arange(grid.order + 1)
        self.m_scale = history.m_scale
        self.mu_scale = 1.0 / history.t0

    def evaluate(self, x: Unknown, jacobian: bool) -> tuple[Array, Array | None]:
        """Return the residual of (1)-(5), rows scaled by the half widths, and its Jacobian.

        Order of rows and columns: R, C, m, mu; m in units of its size, mu in units of
        the model's rate.
        """
        N = self.size
        self.history.set_one_time(x.m, x.mu)
        dI1, dI2 = np.empty((2, N, 2 * N)) if jacobian else np.empty((2, 0, 0))
        I1, I2 = integrals(
            x.R, x.C, self.nodes, self.bary, self.K1, self.K2, *self.known, jacobian, dI1, dI2
        )
        h = self.history
        at_nodes = one_times(h.m, h.mu, h.log_m, h.n, *self.times).T
        row = self._row_integrals(x)
        F = self._residual(x, I1, I2, at_nodes, row)
        return F, self._jacobian(x, dI1, dI2, at_nodes, row) if jacobian else None

    def _residual(self, x: Unknown, I1: Array, I2: Array, at_nodes: Array, row: _Row) -> Array:
        N, T, m0 = self.size, self.problem.T, self.problem.m0
        m_k, mu_k = at_nodes[:2]
        dR = np.einsum("kb,kb->k", self.right, x.R[self.columns_right])
        dC = np.einsum("kb,kb->k", self.left, x.C[self.columns_left])
        S_k = polynomial.polyval(m_k, self.S)
        F = np.empty(2 * N + 2)
        F[:N] = self.half_right * (dR - mu_k * x.R + I1)
        F[N - 1] = x.R[-1] - 1.0
        F[N : 2 * N] = self.half_left * (dC + mu_k * x.C - S_k * x.m - 2.0 * T * x.R - I2)
        F[N] = x.C[0] - x.R[0] - m0 * row.M
        F[2 * N] = (x.m - x.R[0] * m0 - row.M) / self.m_scale
        excess = x.mu - T - x.m * float(polynomial.polyval(x.m, self.S)) - row.G
        F[2 * N + 1] = excess / self.mu_scale
        return F

    def _jacobian(self, x: Unknown, dI1: Array, dI2: Array, at_nodes: Array, row: _Row) -> Array:
        N, scale = self.size, self.m_scale
        m_k, mu_k, dm_k, dmu_k = at_nodes
        hr, hl, k = self.half_right, self.half_left, np.arange(N)
        J = np.zeros((2 * N + 2, 2 * N + 2))
        # (1); its last row is R(t,t) = 1.
        J[:N, : 2 * N] = hr[:, None] * dI1
        J[k[:, None], self.columns_right] += hr[:, None] * self.right
        J[k, k] -= hr * mu_k
        J[:N, 2 * N + 1] = -hr * dmu_k * x.R
        J[N - 1] = 0.0
        J[N - 1, N - 1] = 1.0
        # (2)
        S_k, dS_k = polynomial.polyval(m_k, self.S), polynomial.polyval(m_k, _slope(self.S))
        J[N : 2 * N, : 2 * N] = -hl[:, None] * dI2
        J[N + k[:, None], N + self.columns_left] += hl[:, None] * self.left
        J[N + k, N + k] += hl * mu_k
        J[N + k, k] -= 2.0 * self.problem.T * hl
        J[N : 2 * N, 2 * N + 1] = hl * dmu_k * x.C
        J[N : 2 * N, 2 * N] = -hl * (S_k + dS_k * dm_k * x.m) * scale
        self._last_rows(J, x, row)
        J[:, 2 * N + 1] *= self.mu_scale
        J[2 * N + 1] /= self.mu_scale
        return J

    def _last_rows(self, J: Array, x: Unknown, row: _Row) -> None:
        """Fill in the rows of (3), (4) and (5)."""
        N, scale, m0 = self.size, self.m_scale, self.problem.m0
        J[N] = 0.0
        J[N, N], J[N, 0] = 1.0, -1.0
        J[N, :N] -= m0 * row.dM_R
        J[N, 2 * N] = -m0 * row.dM_m * scale
        J[2 * N, :N] = -row.dM_R / scale
        J[2 * N, 0] -= m0 / scale
        J[2 * N, 2 * N] = 1.0 - row.dM_m
        S, dS = (float(polynomial.polyval(x.m, c)) for c in (self.S, _slope(self.S)))
        J[2 * N + 1, :N] = -row.dG_R
        J[2 * N + 1, N : 2 * N] = -row.dG_C
        J[2 * N + 1, 2 * N] = -(S + x.m * dS) * scale
        J[2 * N + 1, 2 * N + 1] = 1.0

    def _row_integrals(self, x: Unknown) -> _Row:
        h = self.history
        w, _, rows, spans, stencils = self.row
        m_s, _, dm_s, _ = one_times(h.m, h.mu, h.log_m, h.n, spans, stencils).T
        R = np.einsum("jb,jb->j", rows, x.R[self.index])
        C = np.einsum("jb,jb->j", rows, x.C[self.index])
        S = polynomial.polyval(m_s, self.S)
        dS = polynomial.polyval(m_s, _slope(self.S))
        K1, K2 = polynomial.polyval(C, self.K1), polynomial.polyval(C, self.K2)
        slope = polynomial.polyval(C, _slope(self.K1))
        slope = slope + K2 + C * polynomial.polyval(C, _slope(self.K2))
        dM_R, dG_R, dG_C = np.zeros(self.size), np.zeros(self.size), np.zeros(self.size)
        np.add.at(dM_R, self.index, (w * S)[:, None] * rows)
        np.add.at(dG_R, self.index, (w * (K1 + C * K2))[:, None] * rows)
        np.add.at(dG_C, self.index, (w * R * slope)[:, None] * rows)
        return _Row(
            float(np.sum(w * R * S)), dM_R, float(np.sum(w * R * dS * dm_s)),
            float(np.sum(w * R * (K1 + C * K2))), dG_R, dG_C,
        )  # fmt: skip

    def energies(self, x: Unknown) -> Array:
        """Energy per channel, e_p = -signal_p m^p/p - int R noise_p C^(p-1)."""
        w, _, rows, _, _ = self.row
        R = np.einsum("jb,jb->j", rows, x.R[self.index])
        C = np.einsum("jb,jb->j", rows, x.C[self.index])
        c = self.problem.coefficients
        return np.array([
            -s * x.m**p / p - k * np.sum(w * R * C ** (p - 1))
            for p, s, k in zip(c.orders, c.signal, c.noise, strict=True)
        ])  # fmt: skip

    def solve(self, x: Unknown, tol: float, max_iter: int = 12) -> Slice:
        """Chord Newton from x: one factorisation, renewed while the contraction is poor."""
        lu = None
        last = math.inf
        for iteration in range(1, max_iter + 1):
            F, J = self.evaluate(x, lu is None)
            if J is not None:
                fresh = True
                if not np.all(np.isfinite(J)):
                    return Slice(x, False, iteration, math.inf)
                lu = lu_factor(J, overwrite_a=True, check_finite=False)
            else:
                fresh = False
            d = lu_solve(lu, F, check_finite=False)
            size = float(np.max(np.abs(d)))
            if not math.isfinite(size) or size > 10.0:
                return Slice(x, False, iteration, size)
            N = self.size
            x = Unknown(
                x.R - d[:N], x.C - d[N : 2 * N], x.m - float(d[2 * N]) * self.m_scale,
                x.mu - float(d[2 * N + 1]) * self.mu_scale,
            )  # fmt: skip
            # After a full Newton step the error is of the order of the update squared.
            left = size * size * 10.0 if fresh else size * min(1.0, size / last)
            if left < tol:
                self.history.set_one_time(x.m, x.mu)
                return Slice(x, True, iteration, size)
            if not fresh and size > 0.2 * last:
                lu = None
            last = size
        return Slice(x, False, max_iter, last)
