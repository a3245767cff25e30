"""What is learned, and by which network: a two-layer student taught online by a two-layer teacher.

Inputs x ~ N(0, I_N) are fresh at every step.  With fields ``lambda_k = w_k.x/sqrt(N)`` of the
student and ``rho_m = w*_m.x/sqrt(N)`` of the teacher,

    phi = sum_k v_k g(lambda_k),   y = sum_m v*_m g(rho_m) + sigma zeta,   zeta ~ N(0, 1)

(arXiv:1906.08632).  As N grows, everything is a function of v and of the order parameters
``Q = w w'/N``, ``R = w w*'/N``, ``T = w* w*'/N``.  All quantities are dimensionless.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.notebook import Shown

__all__ = ["ACTIVATIONS", "OrderParameters", "TwoLayerNetwork"]

Array = NDArray[np.float64]

# The number is the code of the activation in the compiled functions.
ACTIVATIONS = {"erf": 0, "relu": 1, "linear": 2}

# Larger networks are refused: the number of averages grows as the fourth power.
MAX_UNITS = 100

# What rounding may take from a covariance matrix before it counts as not positive semidefinite,
# relative to its largest entry.
ROUNDING = 1e-10


@dataclass(frozen=True, init=False, eq=False)
class TwoLayerNetwork(Shown):
    """Two-layer teacher with M hidden units, and the student with K that learns from it.

    Parameters
    ----------
    K, M : int
        Hidden units of the student and of the teacher, in [1, 100].
    activation : {"erf", "relu", "linear"}
        ``g(x) = erf(x/sqrt(2))``, ``max(x, 0)`` or ``x``.
    sigma : float
        Standard deviation of the label noise, >= 0 (dimensionless).
    T : array_like, shape (M, M)
        Overlaps ``w* w*'/N`` of the teacher's weights, symmetric positive semidefinite; the
        identity by default.
    v_teacher : array_like, shape (M,)
        Second layer of the teacher; ones by default.

    Raises
    ------
    ValueError
        A parameter is out of its range or has the wrong shape.

    Notes
    -----
    ``y = sum_m v*_m g(w*_m.x/sqrt(N)) + sigma zeta`` (arXiv:1906.08632, eq. 1).

    Examples
    --------
    >>> net = TwoLayerNetwork(K=3, M=2, sigma=0.1)
    >>> net.T.shape, net.v_teacher.tolist()
    ((2, 2), [1.0, 1.0])
    """

    system = "two_layer"

    K: int
    M: int
    activation: str
    sigma: float
    T: Array = field(repr=False)
    v_teacher: Array = field(repr=False)

    def __init__(
        self,
        K: int,
        M: int,
        activation: str = "erf",
        sigma: float = 0.0,
        T: ArrayLike | None = None,
        v_teacher: ArrayLike | None = None,
    ) -> None:
        K = checks.integer("K", K, low=1, high=MAX_UNITS)
        M = checks.integer("M", M, low=1, high=MAX_UNITS)
        object.__setattr__(self, "K", K)
        object.__setattr__(self, "M", M)
        object.__setattr__(self, "activation", _activation(activation))
        sigma = checks.finite_number("sigma", sigma, low=0.0, high=1e100, wanted="in [0, 1e100]")
        object.__setattr__(self, "sigma", sigma)
        overlaps = matrix("T", np.eye(M) if T is None else T, (M, M))
        object.__setattr__(self, "T", semidefinite("T", overlaps))
        weights = matrix("v_teacher", np.ones(M) if v_teacher is None else v_teacher, (M,))
        object.__setattr__(self, "v_teacher", weights)

    @property
    def code(self) -> int:
        """The activation's number in the compiled functions."""
        return ACTIVATIONS[self.activation]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TwoLayerNetwork):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        plain = (self.K, self.M, self.activation, self.sigma)
        return (*plain, self.T.tobytes(), self.v_teacher.tobytes())

    def __str__(self) -> str:
        g = {"erf": "erf(x/sqrt 2)", "relu": "max(x, 0)", "linear": "x"}[self.activation]
        return (
            f"{self!r}\n  y = sum_m v*_m g(w*_m.x/sqrt N) + {self.sigma:g} zeta,  g(x) = {g}\n"
            f"  v* = {self.v_teacher.tolist()},  T = {self.T.tolist()}"
        )


@dataclass(frozen=True, init=False, eq=False)
class OrderParameters:
    """State of a student: ``Q = w w'/N``, ``R = w w*'/N`` and its second layer v.

    Parameters
    ----------
    Q : array_like, shape (K, K)
        Overlaps of the student's units, symmetric positive semidefinite (dimensionless).
    R : array_like, shape (K, M)
        Overlaps of the student's units with the teacher's.
    v : array_like, shape (K,)
        Second layer of the student; ones by default.

    Raises
    ------
    ValueError
        Shapes do not fit, an entry is not finite, or Q is not positive semidefinite.

    Notes
    -----
    Only with a teacher is it known whether R is possible: :meth:`check` tests that
    ``[[Q, R], [R', T]]`` is positive semidefinite (arXiv:1906.08632).

    Examples
    --------
    >>> net = TwoLayerNetwork(K=2, M=2)
    >>> OrderParameters(np.eye(2), 0.1 * np.eye(2)).check(net).v.tolist()
    [1.0, 1.0]
    """

    Q: Array
    R: Array
    v: Array

    def __init__(self, Q: ArrayLike, R: ArrayLike, v: ArrayLike | None = None) -> None:
        overlaps = matrix("Q", Q, None)
        if overlaps.ndim != 2 or overlaps.shape[0] != overlaps.shape[1] or not overlaps.size:
            raise ValueError(
                f"Q of shape {overlaps.shape} is not allowed: it must be a square matrix"
            )
        K = len(overlaps)
        with_teacher = matrix("R", R, None)
        if with_teacher.ndim != 2 or len(with_teacher) != K or not with_teacher.size:
            raise ValueError(
                f"R of shape {with_teacher.shape} is not allowed:"
                f" Q of shape {overlaps.shape} needs one of shape ({K}, M)"
            )
        object.__setattr__(self, "Q", semidefinite("Q", overlaps))
        object.__setattr__(self, "R", with_teacher)
        object.__setattr__(self, "v", matrix("v", np.ones(K) if v is None else v, (K,)))

    @classmethod
    def random(
        cls, net: TwoLayerNetwork, n: int, seed: int, v: ArrayLike | None = None
    ) -> OrderParameters:
        """Return the order parameters of a random student at input dimension n.

        Parameters
        ----------
        net : TwoLayerNetwork
            Student and teacher.
        n : int
            Input dimension N, at least M.  Entries of the first layer are N(0, 1): Q is the
            identity, and R is 0, up to random parts of order ``1/sqrt(N)``.
        seed : int
            Seed of the random numbers, >= 0.
        v : array_like, shape (K,)
            Second layer of the student; ones by default.

        Returns
        -------
        OrderParameters
            Overlaps of one realisation (dimensionless).

        Raises
        ------
        ValueError
            A parameter is out of its range.
        """
        n = checks.integer("n", n, low=net.M)
        generator = np.random.default_rng(checks.integer("seed", seed, low=0))
        weights = generator.standard_normal((net.K, n))
        # The teacher's weights are rotated into the first M inputs: no other input sees them.
        R = weights[:, : net.M] @ square_root(net.T) / np.sqrt(n)
        return cls(weights @ weights.T / n, R, v).check(net)

    def check(self, net: TwoLayerNetwork) -> OrderParameters:
        """Return this state, or raise ValueError where it cannot be one of the network's."""
        if self.R.shape != (net.K, net.M):
            raise ValueError(
                f"R of shape {self.R.shape} is not allowed: K = {net.K} and M = {net.M}"
                f" need one of shape ({net.K}, {net.M})"
            )
        most = np.sqrt(np.outer(np.diag(self.Q), np.diag(net.T)))
        scale = float(max(np.abs(self.Q).max(), np.abs(net.T).max()))
        outside = np.abs(self.R) > most + ROUNDING * scale
        if np.any(outside):
            i, m = (int(index) for index in np.argwhere(outside)[0])
            raise ValueError(
                f"R[{i}][{m}] = {self.R[i, m]:g} is not allowed: |R[{i}][{m}]| must be at most"
                f" sqrt(Q[{i}][{i}] T[{m}][{m}]) = {most[i, m]:g}"
            )
        semidefinite("[[Q, R], [R', T]]", self.covariance(net))
        return self

    def covariance(self, net: TwoLayerNetwork) -> Array:
        """Return the covariance [[Q, R], [R', T]] of the fields, shape (K + M, K + M)."""
        return np.block([[self.Q, self.R], [self.R.T, net.T]])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OrderParameters):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("Q", "R", "v")
        )

    __hash__ = None  # type: ignore[assignment]


def _activation(name: Any) -> str:
    if isinstance(name, str) and name in ACTIVATIONS:
        return name
    wanted = ", ".join(f"'{known}'" for known in ACTIVATIONS)
    near = difflib.get_close_matches(str(name).lower(), ACTIVATIONS, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"activation = {name!r} is not allowed: it must be one of {wanted}{hint}")


def matrix(name: str, values: ArrayLike, shape: tuple[int, ...] | None) -> Array:
    """Return a read-only float array of finite entries, or raise ValueError."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {values!r} is not allowed: it must be numbers") from None
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} of shape {array.shape} is not allowed: it must have {shape}")
    if not np.all(np.abs(array) <= 1e100):
        worst = array[~(np.abs(array) <= 1e100)].flat[0]
        raise ValueError(f"{name} with an entry {worst:g} is not allowed: it must be in +-1e100")
    array.flags.writeable = False
    return array


def semidefinite(name: str, array: Array) -> Array:
    """Return a symmetric positive semidefinite matrix, read-only, or raise ValueError."""
    scale = float(np.abs(array).max())
    if np.abs(array - array.T).max() > ROUNDING * scale:
        i, k = (int(index) for index in np.argwhere(np.abs(array - array.T) > ROUNDING * scale)[0])
        raise ValueError(
            f"{name} is not allowed: it must be symmetric, but entries [{i}][{k}] and [{k}][{i}]"
            f" are {array[i, k]:g} and {array[k, i]:g}"
        )
    array = 0.5 * (array + array.T)
    least = float(np.linalg.eigvalsh(array)[0])
    if least < -ROUNDING * scale:
        raise ValueError(
            f"{name} is not allowed: it must be positive semidefinite,"
            f" but its smallest eigenvalue is {least:.3g}"
        )
    array.flags.writeable = False
    return array


def square_root(array: Array) -> Array:
    """Return a matrix S with S' S equal to a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(array)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
