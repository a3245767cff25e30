"""Where online learning ends: fixed points of the equations of motion, and their stability.

Equations: arXiv:1906.08632.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import root

from dmft import checks
from dmft.systems.two_layer.equations import Rates
from dmft.systems.two_layer.lowering import Layout, errors_of, flow_of
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.theory.errors import copies

__all__ = ["FixedPoint", "fixed_point", "informed", "jacobian", "settle"]

Array = NDArray[np.float64]
Slope = Callable[[Array], Array]

# dy/dt relative to eta times the size of the state: what rounding leaves of it.
RESIDUAL = 1e-11
# Times 1/eta that are integrated between two attempts at the root, and how many of them: together
# 30 * (2^10 - 1)/eta = 3e4/eta.
FIRST_STRETCH, STRETCHES = 30.0, 10
# A root further away than this from the state reached, relative to its size, is another one.
NEAR = 0.1
# Where a branch of fixed points begins that is followed in eta: the small-eta law holds there.
BEGIN = 0.01
# The noise of SGD keeps the weights of copies apart: Q_ii - Q_ik = APART eta sigma^2.  Measured at
# eta = 0.05 and 0.2, K = 3..8, M = 2; it matters only that Newton's method finds that root.
APART = 2.0


class FixedPoint(NamedTuple):
    """A fixed point: Q (K, K), R (K, M), v (K,), eg, eigenvalues, and whether it is one.

    `eigenvalues` are those of the Jacobian of (Q, R) or, with both layers trained, of (Q, R, v),
    per unit of time, by descending real part.  `residual` is the largest derivative left,
    relative to the learning rate.  Where `success` is false the numbers are NaN.

    Attributes
    ----------
    Q, R, v : ndarray, shapes (K, K), (K, M) and (K,)
        Order parameters (dimensionless).
    eg : float
        Generalisation error.
    eigenvalues : ndarray of complex, shape (n,)
        Of the Jacobian, per unit of time.
    stable : bool
        Whether all of them have a negative real part.
    residual : float
        Largest derivative left, relative to the learning rate.
    """

    Q: Array
    R: Array
    v: Array
    eg: float
    eigenvalues: NDArray[np.complex128]
    stable: bool
    residual: float
    success: bool
    message: str


def informed(
    net: TwoLayerNetwork, *, both_layers: bool = False, spread: float = 1e-3
) -> OrderParameters:
    """Return the student that represents the teacher, as far as it has the units to.

    Every unit has weights of its own besides, of size `spread` in Q.

    Units are assigned as :func:`dmft.systems.two_layer.theory.asymptotic_error` says: extra
    units have small weights of their own (first layer), or share a teacher unit (both layers).

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    both_layers : bool, default False
        Whether the second layer is trained, too: several units then share one of the teacher.
    spread : float, default 1e-3
        Squared length of the weights that each unit has for itself, > 0.

    Returns
    -------
    OrderParameters
        Q (K, K), R (K, M) and v (K,), dimensionless.

    Examples
    --------
    >>> from dmft import TwoLayerNetwork
    >>> informed(TwoLayerNetwork(K=2, M=2)).R.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    owner, v = copies(net, both_layers)
    some = owner >= 0
    R = np.where(some[:, None], net.T[owner], 0.0)
    Q = np.where(np.logical_and.outer(some, some), net.T[np.ix_(owner, owner)], 0.0)
    # Exact copies would be at the edge of what a covariance can be.
    return OrderParameters(Q + spread * np.eye(net.K), R, v)


def jacobian(slope: Slope, y: Array, step: float = 1e-5) -> Array:
    """Return d slope/dy, shape (n, n), by central differences of fourth order."""
    columns = []
    for index in range(len(y)):
        h = np.zeros_like(y)
        h[index] = step * max(1.0, abs(y[index]))
        near, far = slope(y + h) - slope(y - h), slope(y + 2 * h) - slope(y - 2 * h)
        columns.append((8.0 * near - far) / (12.0 * h[index]))
    return np.array(columns).T


def fixed_point(
    net: TwoLayerNetwork,
    learning_rate: float,
    *,
    start: OrderParameters | None = None,
    second_learning_rate: float = 0.0,
    weight_decay: float = 0.0,
) -> FixedPoint:
    """Return the fixed point that online learning reaches from a start.

    The equations of motion (arXiv:1906.08632) are integrated, and again and again a root of their
    right-hand side is looked for close to the state reached, until one is found that is
    stable.  Without a start it is the fixed point next to the student that represents the teacher,
    in which units with the same task are alike, and extra units are small; that one is returned
    whether it is stable or not.

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    learning_rate : float
        eta > 0 (dimensionless).
    start : OrderParameters
        Where to start; the student that represents the teacher by default.
    second_learning_rate : float
        eta_v >= 0; 0 keeps the second layer as it is.
    weight_decay : float
        kappa >= 0.

    Returns
    -------
    FixedPoint
        State, eg, eigenvalues and stability; `success` is false with a sentence in `message` where
        the dynamics diverges or has not settled.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> net = TwoLayerNetwork(K=2, M=2, sigma=0.3)
    >>> found = fixed_point(net, 0.2)
    >>> found.success, found.stable
    (True, True)
    """
    eta = checks.positive_number("learning_rate", learning_rate)
    second = checks.finite_number(
        "second_learning_rate", second_learning_rate, low=0.0, wanted="finite and >= 0"
    )
    decay = checks.finite_number("weight_decay", weight_decay, low=0.0, wanted="finite and >= 0")
    begin = _beginning(net, eta, both_layers=second > 0.0) if start is None else start
    begin.check(net)
    flow = _Flow.of(net, Rates(eta, second, decay), begin)
    alike = _Alike.of(net, np.arange(net.K) if start is not None else copies(net, second > 0.0)[0])
    alike = alike.first(flow.free)

    def reduced(z: Array, noise: float = eta) -> Array:
        return np.asarray(alike.mean @ flow(alike.spread @ z, noise))

    z = alike.mean @ flow.full[: flow.free]
    if start is None and second > 0.0:
        z, message = _followed(reduced, z, eta)
    else:
        # With the first layer alone, units without a task stay next to 0 for times of order 1/eta^2
        # and more, until pairs w, -w grow; the flow would lead away to those.
        z, message = settle(reduced, z, nearest=start is None)
    if message:
        return _nothing(net, flow.free, message.format(eta=eta))
    return _described(net, flow, alike.spread @ z, eta)


@dataclass(frozen=True, eq=False)
class _Flow:
    """The right-hand side of the equations of motion, with time counted in 1/eta: of order 1."""

    of_all: Callable[[Array, Array], Array]
    # Of Rates, divided by eta, but for the last, the learning rate in the noise of SGD.
    rates: Array
    # The packed state at the start, of which the first `free` entries are trained.
    full: Array
    free: int
    eta: float

    @classmethod
    def of(cls, net: TwoLayerNetwork, rates: Rates, begin: OrderParameters) -> _Flow:
        eta = rates.eta
        lowered = rates.lowered(net.sigma) / eta
        lowered[4] *= eta
        full = Layout.of(net).pack(begin)
        free = len(full) if rates.eta_v > 0.0 else len(full) - net.K
        return cls(flow_of(net), lowered, full, free, eta)

    def whole(self, y: Array) -> Array:
        """Return the packed state whose trained entries are y."""
        return np.concatenate([y, self.full[self.free :]])

    def __call__(self, y: Array, noise: float | None = None) -> Array:
        last = self.eta if noise is None else noise
        return self.of_all(self.whole(y), np.array([*self.rates[:5], last]))[: self.free]


def _described(net: TwoLayerNetwork, flow: _Flow, y: Array, eta: float) -> FixedPoint:
    """Return the root y with its eigenvalues, by descending real part."""
    values = np.linalg.eigvals(jacobian(flow, y)).astype(np.complex128)
    values = values[np.argsort(-values.real)]
    layout, state = Layout.of(net), flow.whole(y)
    return FixedPoint(
        layout.Q(state),
        layout.R(state),
        layout.v(state),
        float(errors_of(net, state)),
        values * eta,
        _stable(values),
        float(np.abs(flow(y)).max()),
        True,
        "a root of the equations of motion",
    )


def _beginning(net: TwoLayerNetwork, eta: float, *, both_layers: bool) -> OrderParameters:
    """Return a state close to the fixed point next to the teacher."""
    if not both_layers or net.sigma == 0.0:
        return informed(net, both_layers=both_layers)
    return informed(net, both_layers=True, spread=APART * min(eta, BEGIN) * net.sigma**2)


class _Alike(NamedTuple):
    """Which entries of the packed state stay equal: one number z for each group of them."""

    # The state is spread @ z, shape (entries, groups), and z is mean @ state.
    spread: Array
    mean: Array

    @classmethod
    def of(cls, net: TwoLayerNetwork, owner: NDArray[np.int64]) -> _Alike:
        """Units with the same owner are exchangeable when the start is symmetric among them."""
        names: dict[tuple[int, ...], int] = {}
        keys: list[tuple[int, ...]] = []
        for i in range(net.K):
            for k in range(i, net.K):
                low, high = sorted((int(owner[i]), int(owner[k])))
                keys.append((0, low, high, int(i == k)))
        keys += [(1, int(owner[i]), m, 0) for i in range(net.K) for m in range(net.M)]
        keys += [(2, int(owner[i]), 0, 0) for i in range(net.K)]
        labels = np.array([names.setdefault(key, len(names)) for key in keys])
        return cls._with(np.equal.outer(labels, np.arange(len(names))).astype(np.float64))

    @classmethod
    def _with(cls, spread: Array) -> _Alike:
        return cls(spread, (spread / spread.sum(axis=0)).T)

    def first(self, free: int) -> _Alike:
        """Return the groups of the first entries alone."""
        spread = self.spread[:free]
        return self._with(spread[:, spread.any(axis=0)])


def _nothing(net: TwoLayerNetwork, free: int, message: str) -> FixedPoint:
    K, M, nan = net.K, net.M, np.nan
    Q, R, v = np.full((K, K), nan), np.full((K, M), nan), np.full(K, nan)
    return FixedPoint(Q, R, v, nan, np.full(free, nan + 0j), False, nan, False, message)


def _stable(eigenvalues: NDArray[np.complex128]) -> bool:
    """Directions in which nothing changes (linear units have some) count as stable."""
    return bool(eigenvalues.real.max() < 1e-6 * np.abs(eigenvalues).max())


def settle(slope: Slope, y: Array, *, nearest: bool = False) -> tuple[Array, str]:
    """Return a stable root close to where the flow leads, or an unstable one, or a sentence.

    A root counts once it is found from two states in a row: from a state that is still on its way
    the root finder may end at another one.  With `nearest` it need not be stable.  The sentence has
    a place {eta:g} for the learning rate.
    """
    last = stable = unstable = None
    stretch = FIRST_STRETCH
    largest = 1e6 * max(1.0, float(np.abs(y).max()))
    for _ in range(STRETCHES):
        found = _root_near(slope, y)
        if found is not None:
            good = _stable(found[1])
            same = last is not None and np.allclose(last, found[0], rtol=0.0, atol=1e-9)
            if same and (good or nearest):
                return found[0], ""
            last = found[0]
            stable, unstable = (last, unstable) if good else (stable, last)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # A divergence makes LSODA warn before it is recognised below.
            warnings.simplefilter("ignore")
            run = solve_ivp(
                lambda _t, z: slope(z), (0.0, stretch), y,
                method="LSODA", rtol=1e-9, atol=1e-12, t_eval=[stretch],
            )  # fmt: skip
        if not run.success or not np.all(np.abs(run.y[:, -1]) < largest):
            return y, "the dynamics diverges at learning_rate = {eta:g}"
        y = run.y[:, -1]
        stretch *= 2.0
    # Linear units have a continuum of roots, along which the flow drifts.
    for one in (stable, unstable):
        if one is not None:
            return one, ""
    return y, "the dynamics has not settled at learning_rate = {eta:g}"


def _followed(slope: Callable[[Array, float], Array], y: Array, eta: float) -> tuple[Array, str]:
    """Return the root that is next to y at small learning rates, followed to eta, or a sentence.

    Copies of one unit drift apart so slowly that the flow does not help to tell roots apart: close
    by is another one, unstable, in which the copies are the same.
    """
    at = min(eta, BEGIN)
    y, message = settle(lambda z: slope(z, at), y, nearest=True)
    ratio = 1.5
    while not message and at < eta:
        following = min(at * ratio, eta)
        found = _root_near(lambda z, noise=following: slope(z, noise), y)  # type: ignore[misc]
        if found is not None and np.abs(found[0] - y).max() < 0.2 * NEAR * np.abs(y).max():
            y, at = found[0], following
        elif ratio > 1.001:
            ratio = math.sqrt(ratio)
        else:
            message = "the fixed point next to the teacher ends before learning_rate = {eta:g}"
    return y, message


def _root_near(slope: Slope, y: Array) -> tuple[Array, NDArray[np.complex128]] | None:
    """Return a root within NEAR of y and the eigenvalues there, or None."""
    size = float(np.abs(y).max())
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = root(slope, y, method="hybr", options={"xtol": 1e-14}).x
        if not np.all(np.abs(found - y) < NEAR * size):
            return None
        # hybr stops where its approximate Jacobian no longer helps: two steps with a fresh one.
        for _ in range(2):
            matrix = jacobian(slope, found)
            if not np.all(np.isfinite(matrix)):
                return None
            found = found - np.linalg.lstsq(matrix, slope(found), rcond=1e-10)[0]
    if not np.all(np.abs(slope(found)) < RESIDUAL * size):
        return None
    return found, np.linalg.eigvals(jacobian(slope, found)).astype(np.complex128)
