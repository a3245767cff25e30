"""One slice: its unknowns, its equations (see `_assembly`) and Newton's method."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from dmft.model import Coefficients
from dmft.solvers.slices import _assembly
from dmft.two_time import _lookups
from dmft.two_time.panels import N_GAUSS, panels, reference

__all__ = ["END", "INTERIOR", "History", "Slice", "energies", "solve_slice"]

Array = NDArray[np.float64]

# Degrees of the interpolation in u: in the interior, and on the last interval, where a higher one
# is unstable.
INTERIOR, END = 6, 4
MAX_ITERATIONS = 12
# Chord steps go on while they contract faster than this; otherwise the matrix is factorised again.
CONTRACTION = 0.2


class Slice(NamedTuple):
    """Values of one slice: time, panels, R and C at the nodes, m and mu."""

    t: float
    J: int
    R: Array
    C: Array
    m: float
    mu: float


class History:
    """The slices so far: the one mutable object of the solver.

    t, u, J, start : arrays of shape (n,); R, C : values at all nodes; one : m and mu, (2, n).
    """

    def __init__(self, m0: float, mu0: float, order: int) -> None:
        self.t, self.u = np.zeros(1), np.zeros(1)
        self.J, self.start = np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        self.R, self.C = np.ones(2 * order + 1), np.ones(2 * order + 1)
        self.one = np.array([[m0], [mu0]])

    def arrays(self) -> tuple[Any, ...]:
        """Return t, u, J, start, R, C as the kernels take them."""
        return self.t, self.u, self.J, self.start, self.R, self.C

    def extended(self, t: float, J: int) -> tuple[Any, ...]:
        """Return the same with a further slice whose values are still missing."""
        return (
            np.append(self.t, t), np.append(self.u, math.log1p(t)), np.append(self.J, J),
            np.append(self.start, self.R.size), self.R, self.C,
        )  # fmt: skip

    def append(self, new: Slice) -> None:
        """Add a slice."""
        self.t, self.u, self.J, self.start, _, _ = self.extended(new.t, new.J)
        self.R, self.C = np.concatenate([self.R, new.R]), np.concatenate([self.C, new.C])
        self.one = np.concatenate([self.one, [[new.m], [new.mu]]], axis=1)

    def predicted(self, t: float, J: int, order: int, degree: int = INTERIOR) -> Slice:
        """Extrapolate the last `degree` + 1 slices to time t."""
        p, ref = panels(J, order), reference(order)
        R, C = np.empty_like(p.phi), np.empty_like(p.phi)
        degree = min(degree, self.t.size - 1)
        _lookups.predict(  # type: ignore[call-arg]
            p.phi * t, p.psi * t, *self.arrays(), degree, ref.nodes, ref.weights, R, C
        )
        u, x = self.u[-degree - 1 :], math.log1p(t)
        weights = np.array([np.prod([(x - b) / (a - b) for b in u if b != a]) for a in u])
        m, mu = self.one[:, -degree - 1 :] @ weights
        return Slice(t, J, R, C, float(m), float(mu))


class _Quadrature(NamedTuple):
    """Points of the integrals over (0, t), by panel, and m there but for the new slice."""

    nodes: NDArray[np.int64]
    weights: Array
    m_known: Array
    new_weight: Array


def _node_index(J: int, order: int) -> NDArray[np.int64]:
    return order * np.arange(2 * J)[:, None] + np.arange(order + 1)


def _points(history: History, guess: Slice, order: int, h0: float) -> tuple[Any, ...]:
    """Return the quadrature points of all nodes with the lookups of earlier slices."""
    p, ref = panels(guess.J, order), reference(order)
    nodes_t, nodes_tau = p.phi * guess.t, p.psi * guess.t
    begin = _lookups.count_points(nodes_t, nodes_tau, h0, N_GAUSS)
    size = int(begin[-1, 2])
    w, here_x, known_r, known_c, new_w, new_x = np.empty((6, size))
    here_panel, new_panel = np.empty((2, size), dtype=np.int64)
    _lookups.fill_points(  # type: ignore[call-arg]
        nodes_t, nodes_tau, begin, h0, ref.gauss_x, ref.gauss_w,
        *history.extended(guess.t, guess.J), INTERIOR, END, ref.nodes, ref.weights,
        w, here_panel, here_x, known_r, known_c, new_w, new_panel, new_x,
    )  # fmt: skip
    return begin, w, here_panel, here_x, known_r, known_c, new_w, new_panel, new_x


def _one_time(history: History, guess: Slice, s: Array) -> tuple[Array, Array]:
    """Return m and mu at the times s without the new slice, (2, len(s)), and its weight."""
    t, u = history.extended(guess.t, guess.J)[:2]
    known, weight = np.empty((2, s.size)), np.empty(s.size)
    _lookups.one_time(s, t, u, history.one, INTERIOR, END, known, weight)
    return known, weight


def _quadrature(history: History, guess: Slice, order: int) -> _Quadrature:
    p = panels(guess.J, order)
    known, weight = _one_time(history, guess, (p.gauss_phi * guess.t).ravel())
    m_known, weight = known[0].reshape(p.gauss_w.shape), weight.reshape(p.gauss_w.shape)
    return _Quadrature(_node_index(guess.J, order), p.gauss_w * guess.t, m_known, weight)


def solve_slice(
    history: History, guess: Slice, coefficients: Coefficients, m0: float, T: float,
    order: int, h0: float, tol: float,
) -> tuple[Slice | None, int]:  # fmt: skip
    """Solve for the slice at guess.t by chord Newton; return it, or None, and the iterations.

    The matrix is factorised anew for each slice, so that a slice depends on earlier slices only.
    """
    t, J, R, C, m, mu = guess
    S, K1, K2 = coefficients.polynomials()
    p, ref, M = panels(J, order), reference(order), guess.R.size
    points = _points(history, guess, order, h0)
    known, new_weight = _one_time(history, guess, p.phi * t)
    quadrature = _quadrature(history, guess, order)
    # m spans orders of magnitude: its equation and its step are relative while it is small.
    scale = abs(m) if m != 0.0 else 1.0
    residual, factors, previous = np.empty(2 * M + 2), None, math.inf
    for iteration in range(1, MAX_ITERATIONS + 1):
        jacobian = np.zeros((2 * M + 2, 2 * M + 2) if factors is None else (0, 0))
        _assembly.assemble(  # type: ignore[call-arg]
            R, C, m, mu, scale, T, S, K1, K2, ref.derivative, p.width * t, ref.nodes, ref.weights,
            *points, known[1], new_weight, known[0], factors is None, residual, jacobian,
        )  # fmt: skip
        state = Slice(t, J, R, C, m, mu)
        _global_rows(state, S, K1, K2, m0, T, scale, quadrature, ref.at_gauss, residual, jacobian)
        if factors is None:
            factors = lu_factor(jacobian, check_finite=False, overwrite_a=True)
        step = lu_solve(factors, -residual, check_finite=False)
        R, C = R + step[:M], C + step[M : 2 * M]
        m, mu = m + scale * float(step[2 * M]), mu + float(step[2 * M + 1])
        change = float(np.max(np.abs(step)))
        if not change < 1e3:
            return None, iteration
        small = max(1e-3 * tol, 2e-13)
        # The first step is one of Newton's, which converges quadratically.
        contraction = 10.0 * change if iteration == 1 else change / previous
        if change < small or (contraction < CONTRACTION and change * contraction < small):
            return Slice(t, J, R, C, m, mu), iteration
        if contraction > CONTRACTION and iteration > 1:
            factors = None
        previous = change
    return None, MAX_ITERATIONS


def _global_rows(
    x: Slice, S: Array, K1: Array, K2: Array, m0: float, T: float, scale: float,
    quadrature: _Quadrature, at_gauss: Array, residual: Array, jacobian: Array,
) -> None:  # fmt: skip
    """Fill the rows of R(t,t), C(t,0), m and mu (see `_assembly`)."""
    index, w, m_known, new_weight = quadrature
    M, m = x.R.size, x.m
    r, c = x.R[index] @ at_gauss.T, x.C[index] @ at_gauss.T
    past = m_known + new_weight * m
    signal, S_m = polyval(past, S), float(polyval(m, S))
    integral = float(np.sum(w * r * signal))
    k1, k2 = polyval(c, K1), polyval(c, K2)
    residual[M - 1] = x.R[-1] - 1.0
    residual[M] = x.C[0] - x.R[0] - m0 * integral
    residual[2 * M] = (m - x.R[0] * m0 - integral) / scale
    residual[2 * M + 1] = x.mu - T - m * S_m - float(np.sum(w * r * (k1 + c * k2)))
    if jacobian.size == 0:
        return

    def by_nodes(values: Array) -> Array:
        """Return the derivative by the node values from that by the values at Gauss points."""
        row = np.zeros(M)
        np.add.at(row, index, values @ at_gauss)
        return row

    jacobian[[M - 1, M, 2 * M, 2 * M + 1]] = 0.0
    by_R = by_nodes(w * signal)
    by_m = float(np.sum(w * r * polyval(past, polyder(S)) * new_weight))
    jacobian[M - 1, M - 1] = 1.0
    jacobian[M, :M] = -m0 * by_R
    jacobian[M, 0] -= 1.0
    jacobian[M, M] = 1.0
    jacobian[M, 2 * M] = -m0 * by_m * scale
    jacobian[2 * M, :M] = -by_R / scale
    jacobian[2 * M, 0] -= m0 / scale
    jacobian[2 * M, 2 * M] = 1.0 - by_m
    by_c = polyval(c, polyder(K1)) + k2 + c * polyval(c, polyder(K2))
    jacobian[2 * M + 1, :M] = -by_nodes(w * (k1 + c * k2))
    jacobian[2 * M + 1, M : 2 * M] = -by_nodes(w * r * by_c)
    jacobian[2 * M + 1, 2 * M] = -(S_m + m * float(polyval(m, polyder(S)))) * scale
    jacobian[2 * M + 1, 2 * M + 1] = 1.0


def energies(x: Slice, coefficients: Coefficients, order: int) -> Array:
    """Return ``e_p = -signal_p m^p/p - int R noise_p C^(p-1) ds``, shape (n_channels,)."""
    orders, signal, noise = coefficients
    if x.t == 0.0:
        return np.asarray(-signal * x.m**orders / orders)
    index, at_gauss = _node_index(x.J, order), reference(order).at_gauss
    r, c = x.R[index] @ at_gauss.T, x.C[index] @ at_gauss.T
    w = panels(x.J, order).gauss_w * x.t
    memory = np.array([np.sum(w * r * c ** (p - 1)) for p in orders])
    return np.asarray(-signal * x.m**orders / orders - noise * memory)
