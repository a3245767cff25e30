"""The N = infinity limit of the dynamics in growing coordinates: no CHS equation in it.

The loss is a Gaussian field, revealed along the trajectory by conditioning.  With x = sqrt(N) c,
``-grad H/sqrt(N) = F(c) + Q'(m) v_0``, where v_0 = x*/sqrt(N) and

    Cov F_a(c) F_b(c') = [Q'(c.c') delta_ab + Q''(c.c') c'_a c_b]/N.

What is known after queries at c_1..c_k are the vectors B_j = F(c_j) + sqrt(2T/h) xi_j, whose Gram
matrix tends to ``K_ij = Q'(c_i.c_j) + (2T/h) delta_ij = L L^T``, up to a part along the c's.  So
their parts beyond it are ``B_j = sum_i L_ji v_i`` with orthonormal v_1..v_k, one new direction a
query.  Regression of F(c) on them gives, with l = L^-1 [Q'(c_j.c)] and y = L^-T [c.v_j],

    B     = sum_j l_j v_j + s v_new + sum_j y_j Q''(c_j.c) c_j,   s^2 = Q'(1) + 2T/h - |l|^2
    e     = -Q(m) - sum_j y_j Q'(c_j.c),    mu = T + c.(B + Q'(m) v_0)

C(t,t') is the dot product of two points.  At T = 0 points come close together and K is nearly
singular: a query that is known already (s below `known` sqrt(Q'(1))) reveals no direction, and a
small `nugget`^2 on the diagonal of K keeps the factor exact enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import solve_triangular

from dmft.model import SpikedMixture

__all__ = ["Field", "Gram", "LimitRun", "limit_descent", "limit_flow"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LimitRun:
    """m, mu, e of shape (n,) at times t, and the points c, shape (n, dimension): C = c c^T."""

    t: Array
    m: Array
    mu: Array
    e: Array
    c: Array


class Gram:
    """Points of the queries that revealed a direction, and the factor L of their Gram matrix K.

    Parameters
    ----------
    model : SpikedMixture
        Gives Q, Q', Q''.
    nugget2 : float
        Added to the diagonal of K: 2T/h for Langevin, or a small square at T = 0.
    known : float
        A query with s < known sqrt(Q'(1)) reveals no new direction; 0: every query does.
    room : int
        The largest number of queries that reveal something.
    """

    def __init__(self, model: SpikedMixture, nugget2: float, known: float, room: int) -> None:
        self.model, self.nugget2 = model, nugget2
        self.threshold = known**2 * float(model.dQ(1.0))
        self.k = 0
        self.dimension = room + 2
        self._points = np.zeros((room, self.dimension))
        self._L = np.zeros((room, room))

    @property
    def points(self) -> Array:
        """Points c_j, shape (k, dimension)."""
        return self._points[: self.k]

    @property
    def L(self) -> Array:
        """Factor of K, shape (k, k)."""
        return self._L[: self.k, : self.k]

    def start(self, m0: float) -> Array:
        """Return a point of overlap m0: along v_0 and one direction that no query reveals."""
        c = np.zeros(self.dimension)
        c[:2] = m0, math.sqrt(1.0 - m0 * m0)
        return c

    def row(self, c: Array) -> tuple[Array, float]:
        """Return ``l = L^-1 [Q'(c_j.c)]`` and s, which is 0 for a query that is known.

        Raises
        ------
        ArithmeticError
            Rounding has made K indefinite: s^2 < 0.
        """
        model = self.model
        row = np.asarray(solve_triangular(self.L, model.dQ(self.points @ c), lower=True))
        left = float(model.dQ(float(c @ c))) + self.nugget2 - float(row @ row)
        if left > self.threshold:
            return row, math.sqrt(left)
        if left <= -self.threshold:
            # Taken for known, such a query gives plausible numbers that are wrong in all digits.
            raise ArithmeticError(
                f"K is not positive definite after {self.k} queries: raise the nugget"
            )
        return row, 0.0

    def reveal(self, c: Array, row: Array, s: float) -> None:
        """Take in the point c, with the row (l, s) of L.

        Raises
        ------
        ArithmeticError
            There is no room for a new direction.
        """
        if self.k == len(self._points):
            raise ArithmeticError(f"more than {self.k} directions revealed: give more room")
        self._points[self.k], self._L[self.k, : self.k] = c, row
        self._L[self.k, self.k] = s
        self.k += 1


class Field:
    """The field as far as it is revealed; parameters as of :class:`Gram`."""

    def __init__(self, model: SpikedMixture, nugget2: float, known: float, room: int) -> None:
        self.model = model
        self.gram = Gram(model, nugget2, known, room)
        self.start = self.gram.start

    def query(self, c: Array) -> tuple[Array, float]:
        """Return ``B + Q'(m) v_0`` at c, shape (dimension,), and the energy there.

        Raises
        ------
        ArithmeticError
            As :meth:`Gram.row` and :meth:`Gram.reveal`.
        """
        model, gram, k = self.model, self.gram, self.gram.k
        overlaps = gram.points @ c
        row, s = gram.row(c)
        y = solve_triangular(gram.L, c[2 : k + 2], lower=True, trans=1)
        force = gram.points.T @ (y * model.d2Q(overlaps))
        force[2 : k + 2] += row
        force[0] += float(model.dQ(c[0]))
        e = -float(model.Q(c[0])) - float(y @ model.dQ(overlaps))
        if s > 0.0:
            gram.reveal(c, row, s)
            force[k + 2] += s
        return force, e


def limit_descent(
    model: SpikedMixture, m0: float, step: float, steps: int, *, T: float
) -> LimitRun:
    """Take discrete normalised gradient-descent (Langevin) steps at N = infinity.

    At T = 0 K becomes singular; give a T as small as 1e-15/step: that is a nugget of its square
    root.

    Parameters
    ----------
    model : SpikedMixture
        Any mixture.
    m0, step, T : float
        Overlap at the start, step h > 0, temperature > 0.
    steps : int
        Number of steps.
    """
    field = Field(model, 2.0 * T / step, 0.0, steps + 1)
    c, rows, points = field.start(m0), [], []
    for _ in range(steps + 1):
        force, e = field.query(c)
        points.append(c)
        rows.append((c[0], T + float(force @ c), e))
        c = c + step * force
        c = c / float(np.linalg.norm(c))
    m, mu, energy = np.array(rows).T
    return LimitRun(step * np.arange(steps + 1, dtype=np.float64), m, mu, energy, np.array(points))


def limit_flow(
    model: SpikedMixture,
    m0: float,
    times: ArrayLike,
    *,
    tol: float = 1e-8,
    known: float = 1e-6,
    nugget: float = 1e-7,
    room: int = 400,
) -> LimitRun:
    """Follow gradient flow (T = 0) at N = infinity by scipy's DOP853; its stages are queries too.

    Parameters
    ----------
    model : SpikedMixture
        Any mixture.
    m0 : float
        Overlap at the start.
    times : array_like
        Ascending times >= 0.
    tol : float, default 1e-8
        Of the integrator.
    known, nugget : float
        See :class:`Gram`; the error of m is about known/2.
    room : int
        Largest number of directions.
    """
    field = Field(model, nugget**2, known, room)

    def rate(_t: float, c: Array) -> Array:
        force, _ = field.query(c)
        return force - (float(force @ c) / float(c @ c)) * c

    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    end = max(float(times[-1]), 1e-12)
    path = solve_ivp(
        rate, (0.0, end), field.start(m0), method="DOP853", t_eval=times, rtol=tol, atol=tol
    )
    if not path.success:
        raise ArithmeticError(f"the integrator failed: {path.message}")
    rows = []
    for c in path.y.T:
        force, e = field.query(c)
        rows.append((c[0], float(force @ c), e))
    m, mu, energy = np.array(rows).T
    return LimitRun(times, m, mu, energy, path.y.T.copy())
