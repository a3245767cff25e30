"""The N = infinity limit of the dynamics in growing coordinates, without the CHS equations.

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
singular: a query whose answer is known already (s below `known` sqrt(Q'(1))) reveals no direction,
and a small `nugget`^2 on the diagonal of K keeps the factor exact enough.

Any update rule may query, and the loss may change from query to query: with weights w_p(j) of the
channels at query j (1/Delta_p if the loss is the model's) the fields at the queries i and j have
the covariance above with ``sum_p Delta_p w_p(i) w_p(j) q^p/p`` in place of Q(q), the signal is
``sum_p a_p q^(p-1)``, and T and h are those of the query.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import solve_triangular

from dmft.systems.spiked.model import SpikedMixture

__all__ = [
    "Gram",
    "LimitField",
    "LimitRun",
    "StepLoss",
    "TimeFunctions",
    "limit_descent",
    "limit_flow",
    "own_loss",
    "steps_of",
]  # fmt: skip

Array = NDArray[np.float64]


class TimeFunctions(Protocol):
    """Functions of time that drive a run; at a jump they have a value after it and one before."""

    @property
    def breaks(self) -> Array: ...
    def temperature(self, t: ArrayLike, side: Any = "after") -> Array: ...
    def rate(self, t: ArrayLike, side: Any = "after") -> Array: ...
    def weights(self, t: ArrayLike, side: Any = "after") -> Array: ...
    def signal(self, t: ArrayLike, side: Any = "after") -> Array: ...


class StepLoss(NamedTuple):
    """The loss at one query: weights and signal coefficients of the channels, and 2T/h."""

    weights: Array
    signal: Array
    nugget2: float


def own_loss(model: SpikedMixture, nugget2: float) -> StepLoss:
    """Return the loss whose weights are those of the model."""
    weights = 1.0 / np.array(model.deltas)
    return StepLoss(weights, weights, nugget2)


def steps_of(drive: TimeFunctions, step: float, steps: int) -> tuple[Array, Array, list[StepLoss]]:
    """Return h_k, T_k and the loss of each discrete step at t_k = k step."""
    t = step * np.arange(steps + 1)
    for jump in drive.breaks:  # a time that misses a jump by rounding is the time of the jump
        t = np.where(np.abs(t - jump) <= 1e-12 * jump, jump, t)
    h, T = step * drive.rate(t), drive.temperature(t)
    rows = zip(drive.weights(t), drive.signal(t), 2.0 * T / h, strict=True)
    return h, T, [StepLoss(w, a, float(nugget2)) for w, a, nugget2 in rows]


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
        A query with s < known sqrt(Q'(1)) reveals no new direction; with 0 every query reveals one.
    room : int
        The largest number of queries that reveal a direction.
    """

    def __init__(self, model: SpikedMixture, nugget2: float, known: float, room: int) -> None:
        self.model, self.known = model, known
        self.own = own_loss(model, nugget2)
        self.orders, self.noise = np.array(model.orders), np.array(model.deltas)
        self.k = 0
        self.dimension = room + 2
        self._points = np.zeros((room, self.dimension))
        self._weights = np.zeros((room, len(self.orders)))
        self._nuggets = np.zeros(room)
        self._L = np.zeros((room, room))

    @property
    def points(self) -> Array:
        """Points c_j, shape (k, dimension)."""
        return self._points[: self.k]

    @property
    def L(self) -> Array:
        """Factor of K, shape (k, k)."""
        return self._L[: self.k, : self.k]

    @property
    def weights(self) -> Array:
        """Weights of the channels at the points, shape (k, n_channels)."""
        return self._weights[: self.k]

    @property
    def nuggets(self) -> Array:
        """The squares that are added to the diagonal of K, shape (k,)."""
        return self._nuggets[: self.k]

    def kernels(self, q: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Return the covariance function of the loss now and at each point, and two derivatives.

        Parameters
        ----------
        q : ndarray, shape (k,)
            Overlaps with the points.
        weights : ndarray, shape (n_channels,)
            Weights of the channels now.
        """
        p, factor = self.orders, self.noise * weights * self.weights
        power = factor * q[:, None] ** (p - 2)
        first = power * q[:, None]
        return (
            np.sum(first * q[:, None] / p, axis=1), first.sum(axis=1),
            np.sum((p - 1) * power, axis=1),
        )  # fmt: skip

    def start(self, m0: float) -> Array:
        """Return a point of overlap m0: along v_0 and one direction that no query reveals."""
        c = np.zeros(self.dimension)
        c[:2] = m0, math.sqrt(1.0 - m0 * m0)
        return c

    def row(self, c: Array, loss: StepLoss | None = None) -> tuple[Array, float]:
        """Return ``l = L^-1 [Q'(c_j.c)]`` and s, which is 0 where the answer is known already.

        Without `loss` it is the model's.

        Raises
        ------
        ArithmeticError
            Rounding has made K indefinite: s^2 < 0.
        """
        now = loss or self.own
        first = self.kernels(self.points @ c, now.weights)[1]
        row = np.asarray(solve_triangular(self.L, first, lower=True))
        variances = self.noise * now.weights**2
        left = float(variances @ float(c @ c) ** (self.orders - 1)) - float(row @ row)
        left, threshold = left + now.nugget2, self.known**2 * float(variances.sum())
        if left > threshold:
            return row, math.sqrt(left)
        if left <= -threshold:
            # If such a query were taken for known, the numbers would look plausible and be wrong in
            # all digits.
            raise ArithmeticError(
                f"K is not positive definite after {self.k} queries: raise the nugget"
            )
        return row, 0.0

    def reveal(self, c: Array, row: Array, s: float, loss: StepLoss | None = None) -> None:
        """Add the point c, and (l, s) as the next row of L.

        Raises
        ------
        ArithmeticError
            There is no room for a new direction.
        """
        if self.k == len(self._points):
            raise ArithmeticError(f"more than {self.k} directions revealed: give more room")
        self._points[self.k], self._L[self.k, : self.k] = c, row
        self._L[self.k, self.k] = s
        now = loss or self.own
        self._weights[self.k], self._nuggets[self.k] = now.weights, now.nugget2
        self.k += 1


class LimitField:
    """The field as far as it is revealed; the parameters are those of :class:`Gram`."""

    def __init__(self, model: SpikedMixture, nugget2: float, known: float, room: int) -> None:
        self.model = model
        self.gram = Gram(model, nugget2, known, room)
        self.start = self.gram.start

    def query(self, c: Array, loss: StepLoss | None = None) -> tuple[Array, float]:
        """Return ``B + Q'(m) v_0`` at c, shape (dimension,), and the energy there.

        Without `loss` it is the model's.

        Raises
        ------
        ArithmeticError
            See :meth:`Gram.row` and :meth:`Gram.reveal`.
        """
        gram, k, now = self.gram, self.gram.k, loss or self.gram.own
        _, first, second = gram.kernels(gram.points @ c, now.weights)
        row, s = gram.row(c, now)
        y = solve_triangular(gram.L, c[2 : k + 2], lower=True, trans=1)
        force = gram.points.T @ (y * second)
        force[2 : k + 2] += row
        p = gram.orders
        force[0] += float(now.signal @ c[0] ** (p - 1))
        e = -float(now.signal @ (c[0] ** p / p)) - float(y @ first)
        if s > 0.0:
            gram.reveal(c, row, s, now)
            force[k + 2] += s
        return force, e


def limit_descent(
    model: SpikedMixture,
    m0: float,
    step: float,
    steps: int,
    *,
    T: float = 0.0,
    momentum: float = 0.0,
    drive: TimeFunctions | None = None,
) -> LimitRun:
    """Take discrete normalised gradient-descent (Langevin) steps at N = infinity.

    At T = 0 K becomes singular.  A temperature as small as 1e-15/step avoids that: 2T/h then acts
    as the square of a nugget.

    Parameters
    ----------
    model : SpikedMixture
        Any mixture.
    m0, step, T : float
        Overlap at the start, step h > 0, temperature > 0.
    steps : int
        Number of steps.
    momentum : float, default 0
        Momentum of the heavy ball, which adds ``momentum (c_k - c_(k-1))`` to the step.
    drive : TimeFunctions, optional
        Temperature (> 0), learning rate and loss as functions of time, instead of T.
    """
    field = LimitField(model, 2.0 * T / step, 0.0, steps + 1)
    h, T_k = np.full(steps + 1, step), np.full(steps + 1, T)
    losses = [field.gram.own] * (steps + 1)
    if drive is not None:
        h, T_k, losses = steps_of(drive, step, steps)
    c, rows, points = field.start(m0), [], []
    last = c
    for k in range(steps + 1):
        force, e = field.query(c, losses[k])
        points.append(c)
        rows.append((c[0], T_k[k] + float(force @ c), e))
        c, last = c + momentum * (c - last) + h[k] * force, c
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
    drive: TimeFunctions | None = None,
) -> LimitRun:
    """Follow gradient flow (T = 0) at N = infinity by scipy's DOP853, whose stages query as well.

    Parameters
    ----------
    model : SpikedMixture
        Any mixture.
    m0 : float
        Overlap at the start.
    times : array_like
        Ascending times >= 0.
    tol : float, default 1e-8
        Tolerance of the integrator.
    known, nugget : float
        See :class:`Gram`; the error of m is about known/2.
    room : int
        The largest number of directions.
    drive : TimeFunctions, optional
        Learning rate and loss as functions of time; mu and e at a jump are those after it.
    """
    field = LimitField(model, nugget**2, known, room)
    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    end = max(float(times[-1]), 1e-12)
    cuts = [0.0, *([] if drive is None else [b for b in drive.breaks if b < end]), end]
    c, points = field.start(m0), []
    for start, stop in itertools.pairwise(cuts):
        last = stop == end
        here = times[(times >= start) & ((times < stop) | last)]
        path = solve_ivp(
            lambda t, c, start=start: _velocity(field, drive, t, c, t > start), (start, stop), c,
            method="DOP853", t_eval=np.append(here, [] if last else [stop]), rtol=tol, atol=tol,
        )  # fmt: skip
        if not path.success:
            raise ArithmeticError(f"the integrator failed: {path.message}")
        points += list(path.y.T[: len(here)])
        c = path.y[:, -1]
    rows = []
    for t, at in zip(times, points, strict=True):
        force, e = field.query(at, _loss_at(field, drive, float(t), "after"))
        rows.append((at[0], float(force @ at), e))
    m, mu, energy = np.array(rows).T
    return LimitRun(times, m, mu, energy, np.array(points))


def _loss_at(field: LimitField, drive: TimeFunctions | None, t: float, side: str) -> StepLoss:
    if drive is None:
        return field.gram.own
    w, a = drive.weights(t, side), drive.signal(t, side)
    # The nugget is relative to the size of the field, which the weights change.
    gram = field.gram
    scale = float(gram.noise @ w**2) / float(gram.noise @ gram.own.weights**2)
    return StepLoss(w, a, gram.own.nugget2 * scale)


def _velocity(
    field: LimitField, drive: TimeFunctions | None, t: float, c: Array, inside: bool
) -> Array:
    # Inside a piece the values before a jump are right at the end of the piece as well.
    side = "before" if inside else "after"
    force, _ = field.query(c, _loss_at(field, drive, t, side))
    tangent = force - (float(force @ c) / float(c @ c)) * c
    return tangent if drive is None else float(drive.rate(t, side)) * tangent
