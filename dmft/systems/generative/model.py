"""What is estimated: a spike whose prior is a one-layer network with random weights.

A latent vector z of k components, iid N(0, 1), and weights W, p x k and iid N(0, 1), give the spike
``v = phi(W z/sqrt(k))`` of p components (arXiv:1905.12385).  It is seen through one noisy matrix:

    Wigner:   Y = v v'/sqrt(p) + sqrt(Delta) xi,   xi symmetric, off-diagonal entries N(0, 1),
    Wishart:  Y = u v'/sqrt(p) + sqrt(Delta) xi,   xi n x p and u of n components, all iid N(0, 1).

As p grows, ``alpha = p/k`` and ``beta = n/p`` stay fixed; W and Delta are known.  All quantities
are dimensionless.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from dmft import checks
from dmft.notebook import Shown

__all__ = ["ACTIVATIONS", "CHANNELS", "Activation", "Channel", "SpikedGenerative", "moments"]

Activation = Literal["linear", "sign", "relu"]
Channel = Literal["wigner", "wishart"]

ACTIVATIONS: tuple[Activation, ...] = ("linear", "sign", "relu")
CHANNELS: tuple[Channel, ...] = ("wigner", "wishart")

# For h ~ N(0, 1): E phi(h), E phi(h)^2 and E h phi(h).
_MOMENTS = {
    "linear": (0.0, 1.0, 1.0),
    "sign": (0.0, 1.0, math.sqrt(2.0 / math.pi)),
    "relu": (1.0 / math.sqrt(2.0 * math.pi), 0.5, 0.5),
}


@dataclass(frozen=True)
class SpikedGenerative(Shown):
    """Spiked matrix whose spike is the output of a one-layer random network.

    Parameters
    ----------
    alpha : float
        Compression ratio p/k > 0, components of the spike per latent component (dimensionless).
    delta : float
        Noise variance Delta > 0 of an entry of the matrix (dimensionless).
    activation : {"linear", "sign", "relu"}
        The function phi.
    channel : {"wigner", "wishart"}
        Symmetric matrix v v', or rectangular matrix u v' with a second, Gaussian factor u.
    beta : float, optional
        Aspect ratio n/p > 0 of the Wishart matrix; must be given for it and for it alone.

    Raises
    ------
    ValueError
        A parameter is out of its range, or `beta` does not fit the channel.

    Notes
    -----
    ``Y = v v'/sqrt(p) + sqrt(Delta) xi`` (Wigner) or ``Y = u v'/sqrt(p) + sqrt(Delta) xi``
    (Wishart) with ``v = phi(W z/sqrt(k))`` (arXiv:1905.12385, section 1).

    Examples
    --------
    >>> model = SpikedGenerative(alpha=3.0, delta=1.0, activation="sign")
    >>> model.channel, model.rho
    ('wigner', 1.0)
    """

    system: ClassVar[str] = "generative"

    alpha: float
    delta: float
    activation: Activation = "linear"
    channel: Channel = "wigner"
    beta: float | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "alpha", checks.positive_number("alpha", self.alpha))
        set_(self, "delta", checks.positive_number("delta", self.delta))
        one_of("activation", self.activation, ACTIVATIONS)
        set_(self, "beta", aspect_ratio(self.channel, self.beta))

    @property
    def mean(self) -> float:
        """E phi(h) for h ~ N(0, 1): where it is zero, v and -v are equally likely."""
        return _MOMENTS[self.activation][0]

    @property
    def rho(self) -> float:
        """E phi(h)^2 for h ~ N(0, 1): the mean square component of the spike."""
        return _MOMENTS[self.activation][1]

    @property
    def kappa(self) -> float:
        """E h phi(h) for h ~ N(0, 1): the linear part of the activation."""
        return _MOMENTS[self.activation][2]


def moments(activation: Activation) -> tuple[float, float, float]:
    """Return E phi(h), E phi(h)^2 and E h phi(h) for h ~ N(0, 1)."""
    one_of("activation", activation, ACTIVATIONS)
    return _MOMENTS[activation]


def aspect_ratio(channel: Channel, beta: float | None) -> float | None:
    """Return beta as a float (Wishart) or None (Wigner), or raise ValueError."""
    one_of("channel", channel, CHANNELS)
    if channel == "wishart":
        wanted = "a finite number > 0, the aspect ratio n/p of channel 'wishart'"
        return checks.positive_number("beta", beta, wanted=wanted)
    if beta is not None:
        raise ValueError(
            f"beta = {beta!r} is not allowed: it must be left out for channel 'wigner', whose"
            " matrix is square"
        )
    return None


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the allowed words; suggest the closest of them."""
    if isinstance(value, str) and value in allowed:
        return
    close = difflib.get_close_matches(str(value).lower(), allowed, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(repr(word) for word in allowed)
    raise ValueError(f"{name} = {value!r} is not allowed: it must be one of {listed}{hint}")
