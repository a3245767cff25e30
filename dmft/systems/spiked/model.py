"""What is solved: the spiked matrix-tensor model and its mixtures.

A hidden vector x* with ``|x*|^2 = N`` is seen through channels p = 2, 3, ...:
``T_p = sqrt((p-1)!)/N^((p-1)/2) x*^(x)p + noise`` with noise variance Delta_p per independent
entry i1 < ... < ip (arXiv:1812.09066; arXiv:1902.00139).  The loss on the
sphere ``|x|^2 = N``,

    H(x) = - sum_p sqrt((p-1)!)/(Delta_p N^((p-1)/2)) sum_{i1<...<ip} T_p x_i1 ... x_ip,

is, as N grows, a Gaussian field with mean ``-N Q(m)`` and covariance ``N Q(x.y/N)``, where
``Q(q) = sum_p q^p/(p Delta_p)`` and ``m = x.x*/N``.  All quantities are dimensionless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.notebook import card

__all__ = ["Coefficients", "SpikedMatrixTensor", "SpikedMixture"]

# Largest order.  The factorial (p-1)! of simulated instances overflows from p = 172 on, and
# x^(p-1) is negligible for most |x| < 1 long before.
MAX_ORDER = 100


class Coefficients(NamedTuple):
    """The model as solvers take it: three arrays of shape (n_channels,).

    Signal term ``S(m) = sum_p signal_p m^(p-1)``; noise kernels ``K1(c) = sum_p noise_p c^(p-1)``
    and ``K2(c) = sum_p (p-1) noise_p c^(p-2)``; energy per channel
    ``e_p = -signal_p m^p/p - int R noise_p C^(p-1)``.  For the model's own loss both are
    ``1/Delta_p``; they are separate because another loss or a thermal start changes only one of
    them.
    """

    orders: NDArray[np.int64]
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]

    def polynomials(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return S, K1, K2 as coefficient arrays in ascending powers, all of equal length."""
        size = int(self.orders.max())
        S, K1, K2 = np.zeros(size), np.zeros(size), np.zeros(size)
        for p, s, k in zip(self.orders, self.signal, self.noise, strict=True):
            S[p - 1] += s
            K1[p - 1] += k
            K2[p - 2] += (p - 1) * k
        return S, K1, K2


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SpikedMixture:
    """Spiked mixture of orders: one hidden vector seen through noisy tensors of several orders.

    Parameters
    ----------
    channels : mapping of int to float
        Order p >= 2 -> noise variance Delta_p > 0 (dimensionless), any number of channels.

    Attributes
    ----------
    orders : tuple of int
        The orders p, ascending.
    deltas : tuple of float
        The noise variances Delta_p, in the same sequence.

    Raises
    ------
    ValueError
        An order is no integer in [2, 100], a variance is not finite and > 0, or there is no
        channel.

    Notes
    -----
    ``H(x) = - sum_p sqrt((p-1)!)/(Delta_p N^((p-1)/2)) sum_{i1<..<ip} T_p x_i1..x_ip`` and
    ``Q(q) = sum_p q^p/(p Delta_p)`` (arXiv:1907.08226).  With overlap m = 0 the signal
    drops out: what is left is the spherical mixed p-spin glass with covariance N Q.

    Examples
    --------
    >>> model = SpikedMixture({2: 0.5, 3: 1.0})
    >>> float(model.d2Q(1.0))
    4.0
    """

    system: ClassVar[str] = "spiked"

    orders: tuple[int, ...]
    deltas: tuple[float, ...]

    def __init__(self, channels: Mapping[int, float]) -> None:
        if not isinstance(channels, Mapping) or not channels:
            raise ValueError(
                f"channels = {channels!r} is not allowed: it must be a non-empty mapping"
                " order -> noise variance, such as {2: 0.9, 3: 1.5}"
            )
        pairs = sorted(
            (
                checks.integer("order p in channels", p, low=2, high=MAX_ORDER),
                checks.positive_number(f"delta_{p}", delta),
            )
            for p, delta in channels.items()
        )
        object.__setattr__(self, "orders", tuple(p for p, _ in pairs))
        object.__setattr__(self, "deltas", tuple(delta for _, delta in pairs))

    @property
    def channels(self) -> dict[int, float]:
        """Order -> noise variance."""
        return dict(zip(self.orders, self.deltas, strict=True))

    def Q(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return ``Q(x) = sum_p x^p/(p Delta_p)``, the covariance per spin at overlap x."""
        x = np.asarray(x, dtype=np.float64)
        return np.asarray(sum(x**p / (p * d) for p, d in self.channels.items()))

    def dQ(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return ``Q'(x) = sum_p x^(p-1)/Delta_p``."""
        x = np.asarray(x, dtype=np.float64)
        return np.asarray(sum(x ** (p - 1) / d for p, d in self.channels.items()))

    def d2Q(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return ``Q''(x) = sum_p (p-1) x^(p-2)/Delta_p``."""
        x = np.asarray(x, dtype=np.float64)
        return np.asarray(sum((p - 1) * x ** (p - 2) / d for p, d in self.channels.items()))

    def coefficients(self) -> Coefficients:
        """Return the model as coefficient arrays for the solvers."""
        inverse = 1.0 / np.array(self.deltas)
        return Coefficients(np.array(self.orders, dtype=np.int64), inverse, inverse.copy())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpikedMixture):
            return NotImplemented
        return (self.orders, self.deltas) == (other.orders, other.deltas)

    def __hash__(self) -> int:
        return hash((self.orders, self.deltas))

    @property
    def spelling(self) -> str:
        """The channels as tables have them and ``--channels`` takes them, such as "2=0.7 3=1"."""
        return " ".join(f"{p}={repr(d).removesuffix('.0')}" for p, d in self.channels.items())

    def _repr_html_(self) -> str:
        rows = [(f"Delta_{p}", f"{delta:g}") for p, delta in self.channels.items()]
        return card(type(self).__name__, rows)

    def __repr__(self) -> str:
        inside = ", ".join(f"{p}: {d!r}" for p, d in self.channels.items())
        return f"SpikedMixture({{{inside}}})"

    def __str__(self) -> str:
        H = " ".join(
            f"- sqrt({p - 1}!)/({d:g} N^({p - 1}/2)) sum_{{i1<..<i{p}}} T_{p} x_i1..x_i{p}"
            for p, d in self.channels.items()
        )
        Q = " + ".join(f"q^{p}/({p} * {d:g})" for p, d in self.channels.items())
        return f"{self!r}\n  H(x) = {H}\n  Q(q) = {Q}"


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SpikedMatrixTensor(SpikedMixture):
    """The spiked matrix-tensor model: a matrix and a tensor of order p (arXiv:1812.09066).

    Parameters
    ----------
    p : int
        Order of the tensor, >= 3.
    delta_2, delta_p : float
        Noise variances of the matrix and of the tensor, > 0 (dimensionless).

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    ``Q(q) = q^2/(2 Delta_2) + q^p/(p Delta_p)`` (arXiv:1812.09066).

    Examples
    --------
    >>> SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0).delta_2
    0.7
    """

    def __init__(self, p: int, delta_2: float, delta_p: float) -> None:
        if p == 2:
            raise ValueError(
                f"p = 2 is not allowed: it must be an integer in [3, {MAX_ORDER}]; the matrix alone"
                " is SpikedMixture({2: delta_2}), in a shell --channels 2=0.7"
            )
        p = checks.integer("p", p, low=3, high=MAX_ORDER)
        super().__init__(
            {
                2: checks.positive_number("delta_2", delta_2),
                p: checks.positive_number("delta_p", delta_p),
            }
        )

    @property
    def p(self) -> int:
        """Order of the tensor channel."""
        return self.orders[1]

    @property
    def delta_2(self) -> float:
        """Noise variance of the matrix channel."""
        return self.deltas[0]

    @property
    def delta_p(self) -> float:
        """Noise variance of the tensor channel."""
        return self.deltas[1]

    def __repr__(self) -> str:
        return f"SpikedMatrixTensor(p={self.p}, delta_2={self.delta_2!r}, delta_p={self.delta_p!r})"


def from_channels(channels: Mapping[Any, Any]) -> SpikedMixture:
    """Return the model of a mapping: a SpikedMatrixTensor where the channels are 2 and one p.

    Examples
    --------
    >>> from_channels({2: 0.7, 3: 1.0})
    SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
    >>> from_channels({3: 1.0})
    SpikedMixture({3: 1.0})
    """
    mixture = SpikedMixture(channels)
    if len(mixture.orders) == 2 and mixture.orders[0] == 2:
        return SpikedMatrixTensor(mixture.orders[1], *mixture.deltas)
    return mixture
