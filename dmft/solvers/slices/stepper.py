"""Implicit slices on a logarithmic time axis: the long-time solver."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from dmft.solvers.base import Outcome, Problem
from dmft.solvers.slices import _assembly, _lookups
from dmft.solvers.slices.panels import Panels, panels, reference

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SlicesOptions:
    order: int = 12
    h0: float = 0.5
    n_gauss: int = 12
    interior: int = 6
    end: int = 4
    max_du: float = 0.1
    first_du: float = 1e-4
    smooth_from: float = 5.0


class History:
    def __init__(self, m0: float, mu0: float, e0: Array, order: int) -> None:
        self.t, self.u = np.zeros(1), np.zeros(1)
        self.J = np.ones(1, dtype=np.int64)
        self.start = np.zeros(1, dtype=np.int64)
        self.R, self.C = np.ones(2 * order + 1), np.ones(2 * order + 1)
        self.one = np.array([[m0], [mu0]])
        self.e_p = e0[None, :]

    def extended(self, t: float, J: int):
        """Return the arrays with a further slice of time t, whose values are still missing."""
        return (
            np.append(self.t, t), np.append(self.u, math.log1p(t)), np.append(self.J, J),
            np.append(self.start, self.R.size), self.R, self.C,
        )  # fmt: skip

    def append(self, t: float, J: int, R: Array, C: Array, m: float, mu: float, e_p: Array) -> None:
        self.t, self.u, self.J, self.start, _, _ = self.extended(t, J)
        self.R, self.C = np.concatenate([self.R, R]), np.concatenate([self.C, C])
        self.one = np.concatenate([self.one, [[m], [mu]]], axis=1)
        self.e_p = np.concatenate([self.e_p, e_p[None, :]])


class Slices:
    name = "slices"

    def __init__(self, problem: Problem, options: SlicesOptions, tol: float) -> None:
        self.problem, self.options, self.tol = problem, options, tol
        self.S, self.K1, self.K2 = problem.coefficients.polynomials()
        o = options
        self.ref = reference(o.order, o.n_gauss)
        m0 = problem.m0
        signal = float(polyval(m0, self.S))
        orders, strength, _ = problem.coefficients
        self.history = History(
            m0, problem.T + m0 * signal, -strength * m0**orders / orders, o.order
        )
        self.du = o.first_du
        self.rejected = self.iterations = 0
        self.largest_drift = 0.0

    @property
    def t(self) -> float:
        return float(self.history.t[-1])

    @property
    def m(self) -> float:
        return float(self.history.one[0, -1])

    @property
    def mu(self) -> float:
        return float(self.history.one[1, -1])

    @property
    def finished(self) -> bool:
        return self.t >= self.problem.t_end

    def advance(self) -> Outcome:
        h, o = self.history, self.options
        while True:
            t = math.expm1(h.u[-1] + self.du)
            J = max(int(h.J[-1]), 1 if t <= 2 * o.h0 else math.ceil(math.log2(t / o.h0)))
            predicted = self._predict(t, J)
            solved = self._solve(t, J, *predicted)
            if solved is None:
                self.du *= 0.5
                self.rejected += 1
                if self.du < 1e-9:
                    return Outcome(False, "Newton does not converge")
                continue
            R, C, m, mu = solved
            scale = max(abs(m), abs(predicted[2]), 1e-300)
            err = max(
                np.max(np.abs(R - predicted[0])), np.max(np.abs(C - predicted[1])),
                abs(m - predicted[2]) / scale,
            )  # fmt: skip
            self.err = err
            smooth = t > o.smooth_from and abs(m) < 1e-300
            factor = 0.9 * (self.tol / max(err, 1e-300)) ** (1.0 / 7.0)
            if err > 5 * self.tol and not (smooth and err < 100 * self.tol) and h.t.size > 1:
                self.du *= max(0.3, min(0.8, factor))
                self.rejected += 1
                continue
            break
        self.largest_drift = max(self.largest_drift, abs(C[-1] - 1.0))
        h.append(t, J, R, C, m, mu, self._energies(t, J, R, C, m))
        # A changing step changes the truncation error of the last interval; the extrapolation would
        # take that for noise a hundred times larger and the control would chase it.
        if smooth and err < 100.0 * self.tol:
            self.du = min(1.1 * self.du, o.max_du)
        elif factor < 0.85:
            self.du *= max(0.5, factor)
        elif factor > 1.1:
            self.du = min(self.du * min(self.growth(t), factor), o.max_du)
        return Outcome(True)

    def growth(self, t: float) -> float:
        return 1.4 if t < 0.5 else 1.06

    def _predict(self, t: float, J: int):
        h, o = self.history, self.options
        p = panels(J, o.order, o.n_gauss)
        r, c = np.empty_like(p.phi), np.empty_like(p.phi)
        degree = min(o.interior, h.t.size - 1)
        _lookups.predict(
            p.phi * t, p.psi * t, h.t, h.u, h.J, h.start, h.R, h.C, degree,
            self.ref.nodes, self.ref.weights, r, c,
        )  # fmt: skip
        u, x = h.u[-degree - 1 :], math.log1p(t)
        weights = [np.prod([(x - b) / (a - b) for b in u if b != a]) for a in u]
        m, mu = h.one[:, -degree - 1 :] @ np.array(weights)
        return r, c, float(m), float(mu)

    def _solve(self, t: float, J: int, R: Array, C: Array, m: float, mu: float):
        o, ref, T = self.options, self.ref, self.problem.T
        p = panels(J, o.order, o.n_gauss)
        nodes_t, nodes_tau = p.phi * t, p.psi * t
        M = R.size
        arrays = self.history.extended(t, J)
        begin = _lookups.count_points(nodes_t, nodes_tau, o.h0, o.n_gauss)
        n_points = int(begin[-1, 2])
        w, here_x, known_r, known_c, new_w, new_x = np.empty((6, n_points))
        here_panel, new_panel = np.empty((2, n_points), dtype=np.int64)
        _lookups.fill_points(
            nodes_t, nodes_tau, begin, o.h0, ref.gauss_x, ref.gauss_w, *arrays, o.interior, o.end,
            ref.nodes, ref.weights, w, here_panel, here_x, known_r, known_c, new_w, new_panel, new_x,
        )  # fmt: skip
        points = (begin, w, here_panel, here_x, known_r, known_c, new_w, new_panel, new_x)
        known, one_w = np.empty((2, M)), np.empty(M)
        _lookups.one_time(nodes_t, *arrays[:2], self.history.one, o.interior, o.end, known, one_w)
        m_scale = abs(m) if m != 0.0 else 1.0
        residual, jacobian = np.empty(2 * M + 2), np.empty((2 * M + 2, 2 * M + 2))
        factors, previous = None, math.inf
        globals_ = self._global_data(t, p, arrays)
        for iteration in range(12):
            want = factors is None
            jacobian_now = jacobian if want else np.empty((0, 0))
            if want:
                jacobian[:] = 0.0
            _assembly.assemble(
                R, C, m, mu, m_scale, T, self.S, self.K1, self.K2, ref.derivative, p.width * t,
                ref.nodes, ref.weights, *points, known[1], one_w, known[0], want, residual,
                jacobian_now,
            )  # fmt: skip
            self._global_rows(R, C, m, mu, m_scale, globals_, residual, jacobian if want else None)
            if want:
                factors = lu_factor(jacobian, check_finite=False, overwrite_a=True)
                jacobian = np.empty_like(jacobian)
            step = lu_solve(factors, -residual, check_finite=False)
            self.iterations += 1
            R, C = R + step[:M], C + step[M : 2 * M]
            m, mu = m + m_scale * step[2 * M], mu + step[2 * M + 1]
            change = float(np.max(np.abs(step)))
            if not change < 1e3:
                return None
            if change < max(1e-3 * self.tol, 2e-13) or (
                iteration > 0 and change * change / previous < 1e-3 * self.tol and change < 0.2 * previous
            ):
                return R, C, m, mu
            if change > 0.2 * previous:
                factors = None
            previous = change
        return None

    def _global_data(self, t: float, p: Panels, arrays: Any):
        o = self.options
        s = (p.gauss_phi * t).ravel()
        known, one_w = np.empty((2, s.size)), np.empty(s.size)
        _lookups.one_time(s, *arrays[:2], self.history.one, o.interior, o.end, known, one_w)
        index = o.order * np.arange(p.width.size)[:, None] + np.arange(o.order + 1)
        shape = p.gauss_w.shape
        return p.gauss_w * t, index, known[0].reshape(shape), one_w.reshape(shape)

    def _global_rows(self, R, C, m, mu, m_scale, data, residual, jacobian) -> None:
        """Fill the rows of R(t,t), C(t,0), m and mu."""
        w, index, m_known, one_w = data
        M, m0 = R.size, self.problem.m0
        r, c = R[index] @ self.ref.at_gauss.T, C[index] @ self.ref.at_gauss.T
        past = m_known + one_w * m
        signal, d_signal = polyval(past, self.S), polyval(past, polyder(self.S))
        I = float(np.sum(w * r * signal))
        S_m = float(polyval(m, self.S))
        k1, k2 = polyval(c, self.K1), polyval(c, self.K2)
        residual[M - 1] = R[-1] - 1.0
        residual[M] = C[0] - R[0] - m0 * I
        residual[2 * M] = (m - R[0] * m0 - I) / m_scale
        residual[2 * M + 1] = mu - self.problem.T - m * S_m - float(np.sum(w * r * (k1 + c * k2)))
        if jacobian is None:
            return
        jacobian[[M - 1, M, 2 * M, 2 * M + 1]] = 0.0
        by_R = np.zeros(M)
        np.add.at(by_R, index, (w * signal) @ self.ref.at_gauss)
        dI_m = float(np.sum(w * r * d_signal * one_w))
        jacobian[M - 1, M - 1] = 1.0
        jacobian[M, M] = 1.0
        jacobian[M, :M] -= m0 * by_R
        jacobian[M, 0] -= 1.0
        jacobian[M, 2 * M] = -m0 * dI_m * m_scale
        jacobian[2 * M, :M] = -by_R / m_scale
        jacobian[2 * M, 0] -= m0 / m_scale
        jacobian[2 * M, 2 * M] = 1.0 - dI_m
        row = np.zeros(M)
        np.add.at(row, index, (w * (k1 + c * k2)) @ self.ref.at_gauss)
        jacobian[2 * M + 1, :M] = -row
        row = np.zeros(M)
        d = polyval(c, polyder(self.K1)) + k2 + c * polyval(c, polyder(self.K2))
        np.add.at(row, index, (w * r * d) @ self.ref.at_gauss)
        jacobian[2 * M + 1, M : 2 * M] = -row
        jacobian[2 * M + 1, 2 * M] = -(S_m + m * float(polyval(m, polyder(self.S)))) * m_scale
        jacobian[2 * M + 1, 2 * M + 1] = 1.0

    def _energies(self, t: float, J: int, R: Array, C: Array, m: float) -> Array:
        o = self.options
        p = panels(J, o.order, o.n_gauss)
        index = o.order * np.arange(p.width.size)[:, None] + np.arange(o.order + 1)
        r, c = R[index] @ self.ref.at_gauss.T, C[index] @ self.ref.at_gauss.T
        return np.array([
            -s * m**q / q - k * t * np.sum(p.gauss_w * r * c ** (q - 1))
            for q, s, k in zip(*self.problem.coefficients, strict=True)
        ])
