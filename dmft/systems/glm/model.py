"""What is solved: generalized linear models, trained by an algorithm that takes discrete steps.

M = alpha N samples (x_mu, y_mu) define the loss ``L(w) = sum_mu l(y_mu, h_mu)``, with the output
``h_mu = w.x_mu/sqrt(N)``.  *Teacher*: x is standard normal, ``r = x.w*/sqrt(N)``, ``|w*|^2 = N``
and y is a function of r plus noise.  *Mixture*: ``x = y v/sqrt(N) + sqrt(delta) z`` with
``|v|^2 = N``, y = +1 with probability rho and -1 otherwise; v takes the place of w*.
All quantities are dimensionless.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.notebook import Shown
from dmft.systems.glm import losses
from dmft.systems.glm.losses import Loss

__all__ = [
    "GaussianMixture",
    "GeneralizedLinear",
    "LinearRegression",
    "Model",
    "PhaseRetrieval",
    "Setting",
]

Array = NDArray[np.float64]

LOSSES = ("square", "logistic", "hinge", "smoothed-hinge")
# Width of the rounded corner of the smoothed hinge loss where none is given.
WIDTH = 0.1
LABELS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda r: r,
    "magnitude": np.abs,
    "sign": lambda r: np.where(r < 0.0, -1.0, 1.0),
}


@dataclass(frozen=True)
class Setting:
    """A model as the solvers see it.

    Attributes
    ----------
    alpha : float
        Samples per dimension.
    loss : Loss
        l, l', l''.
    ridge : float, optional
        lambda in ``L + lambda |w|^2/2``; None: ``|w|^2 = N`` is kept instead.
    teacher : bool
        Whether labels come from a teacher; otherwise from the classes of a mixture.
    label : callable
        y as a function of r (teacher).
    noise : float
        Standard deviation of the label noise (teacher).
    even : bool
        Whether the label is even in r: then m = 0 is kept.
    delta : float
        Variance of the inputs along z: 1 for a teacher.
    rho : float
        Weight of the class y = +1 (mixture).
    bias : float
        Bias of the output at t = 0 (mixture).
    fitted : bool
        Whether the bias follows the gradient.
    """

    alpha: float
    loss: Loss
    ridge: float | None
    teacher: bool
    label: Callable[[Array], Array] = LABELS["identity"]
    noise: float = 0.0
    even: bool = False
    delta: float = 1.0
    rho: float = 0.5
    bias: float = 0.0
    fitted: bool = False


def _alpha(value: Any) -> float:
    return checks.positive_number("alpha", value)


def _ridge(value: Any) -> float:
    return checks.finite_number("ridge", value, low=0.0, wanted="a finite number >= 0")


def _rho(value: Any) -> float:
    low, high = math.nextafter(0.0, 1.0), math.nextafter(1.0, 0.0)
    return checks.finite_number("rho", value, low=low, high=high, wanted="a number in (0, 1)")


@dataclass(frozen=True)
class PhaseRetrieval(Shown):
    """Phase retrieval: the modulus of a linear measurement is seen (arXiv:2006.06997).

    Parameters
    ----------
    alpha : float
        Measurements per dimension, M = alpha N, > 0.
    a : float, optional
        Regularisation of the loss, > 0; None: the loss without it.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    ``y = |r|``, ``l(y, h) = (y^2 - h^2)^2/(4 (a + y^2))``, or ``(y^2 - h^2)^2/4`` with a = None;
    ``|w|^2 = N`` (spherical).

    Examples
    --------
    >>> PhaseRetrieval(alpha=4.0)
    PhaseRetrieval(alpha=4.0, a=1.0)
    """

    system: ClassVar[str] = "glm"

    alpha: float
    a: float | None = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _alpha(self.alpha))
        if self.a is not None:
            wanted = "a finite number > 0, or None for the loss without regularisation"
            object.__setattr__(self, "a", checks.positive_number("a", self.a, wanted=wanted))

    @property
    def loss_functions(self) -> Loss:
        """The loss and its derivatives."""
        return losses.quartic() if self.a is None else losses.magnitude(self.a)

    def setting(self) -> Setting:
        """Return the model as the solvers see it."""
        return Setting(
            self.alpha, self.loss_functions, None, True, label=LABELS["magnitude"], even=True
        )


@dataclass(frozen=True)
class LinearRegression(Shown):
    """Linear regression with a teacher, label noise and ridge.

    Parameters
    ----------
    alpha : float
        Samples per dimension, > 0.
    noise : float, default 0
        Standard deviation of the label noise, >= 0.
    ridge : float, default 0
        lambda >= 0.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    ``y = r + noise * xi``, ``l(y, h) = (h - y)^2/2``, minimised with ``lambda |w|^2/2``; ``|w|`` is
    free.  Everything is linear: the dynamics follow from the spectrum of Marchenko and Pastur.

    Examples
    --------
    >>> LinearRegression(alpha=2.0, noise=0.5, ridge=0.3)
    LinearRegression(alpha=2.0, noise=0.5, ridge=0.3)
    """

    system: ClassVar[str] = "glm"

    alpha: float
    noise: float = 0.0
    ridge: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _alpha(self.alpha))
        wanted = "a finite number >= 0"
        noise = checks.finite_number("noise", self.noise, low=0.0, wanted=wanted)
        object.__setattr__(self, "noise", noise)
        object.__setattr__(self, "ridge", _ridge(self.ridge))

    @property
    def loss_functions(self) -> Loss:
        """The loss and its derivatives."""
        return losses.square()

    def setting(self) -> Setting:
        """Return the model as the solvers see it."""
        return Setting(self.alpha, losses.square(), self.ridge, True, noise=self.noise)


@dataclass(frozen=True)
class GaussianMixture(Shown):
    """Classification of two Gaussian clusters (arXiv:2006.06098; arXiv:2002.11544).

    Parameters
    ----------
    alpha : float
        Samples per dimension, > 0.
    delta : float
        Variance of each cluster, > 0.
    loss : {"logistic", "square", "hinge", "smoothed-hinge"}
        Loss.  The derivative of "hinge" jumps: it has no dynamics here, only theory.
        "smoothed-hinge" has its corner rounded, ``(1 - y h)^2/(2 width)`` for margins within
        `width` below 1, and has dynamics, but no theory of its minimiser; that of "hinge" is its
        limit of small width.
    ridge : float, default 0.1
        lambda >= 0.
    rho : float, default 0.5
        Weight of the cluster y = +1, in (0, 1).
    bias : bool or float, default False
        True: a bias is fitted, from 0; a number: the bias is that; False: there is none.
    width : float, optional
        Of "smoothed-hinge", in (0, 1]; 0.1 unless given.  Steps are stable up to a step of order
        the width.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    ``x = y v/sqrt(N) + sqrt(delta) z``; ``L = sum_mu l(y, w.x/sqrt(N) + b) + lambda |w|^2/2``.

    Examples
    --------
    >>> GaussianMixture(alpha=2.0, delta=0.5).loss
    'logistic'
    """

    system: ClassVar[str] = "glm"

    alpha: float
    delta: float
    loss: str = "logistic"
    ridge: float = 0.1
    rho: float = 0.5
    bias: bool | float = False
    width: float | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _alpha(self.alpha))
        object.__setattr__(self, "delta", checks.positive_number("delta", self.delta))
        if self.loss not in LOSSES:
            raise ValueError(f"loss = {self.loss!r} is not allowed: it must be one of {LOSSES}")
        object.__setattr__(self, "ridge", _ridge(self.ridge))
        object.__setattr__(self, "rho", _rho(self.rho))
        if isinstance(self.bias, (bool, np.bool_)):
            object.__setattr__(self, "bias", bool(self.bias))
        else:
            wanted = "True (fitted), False (none) or a finite number (fixed)"
            bias = checks.finite_number("bias", self.bias, wanted=wanted)
            object.__setattr__(self, "bias", bias)
        self._check_width()

    def _check_width(self) -> None:
        if self.loss != "smoothed-hinge":
            if self.width is not None:
                raise ValueError(f"width is for loss 'smoothed-hinge', not for {self.loss!r}")
            return
        low, wanted = math.nextafter(0.0, 1.0), "a number in (0, 1]"
        given = WIDTH if self.width is None else self.width
        width = checks.finite_number("width", given, low=low, high=1.0, wanted=wanted)
        object.__setattr__(self, "width", width)

    @property
    def loss_functions(self) -> Loss:
        """The loss and its derivatives."""
        if self.width is not None:
            return losses.smoothed_hinge(self.width)
        kinds = {"square": losses.square, "logistic": losses.logistic, "hinge": losses.hinge}
        return kinds[self.loss]()

    @property
    def fixed_bias(self) -> float | None:
        """The bias where it is not fitted (0 where there is none), None where it is."""
        if isinstance(self.bias, bool):
            return None if self.bias else 0.0
        return self.bias

    def setting(self) -> Setting:
        """Return the model as the solvers see it."""
        fixed = self.fixed_bias
        return Setting(
            self.alpha, self.loss_functions, self.ridge, False, delta=self.delta, rho=self.rho,
            bias=0.0 if fixed is None else fixed, fitted=fixed is None,
        )  # fmt: skip


@dataclass(frozen=True)
class GeneralizedLinear(Shown):
    """A generalized linear model with a loss of one's own.

    Parameters
    ----------
    alpha : float
        Samples per dimension, > 0.
    derivative, curvature : callable
        dl/dh and d2l/dh2 as functions of two numbers (y, h) that numba can compile, or as NumPy
        universal functions.  The derivative has to be continuous in h.
    loss : callable, optional
        l(y, h); without it `train_loss` and `test_error` are NaN.
    label : {"identity", "magnitude", "sign"}
        y as a function of r = x.w*/sqrt(N).
    noise : float, default 0
        Standard deviation of the label noise, >= 0.
    ridge : float, optional
        lambda >= 0; None: ``|w|^2 = N`` is kept instead (spherical).

    Raises
    ------
    ValueError
        A parameter is out of its range; a function cannot be compiled, has another signature or
        gives no finite number, or the functions do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> model = GeneralizedLinear(
    ...     alpha=2.0, derivative=lambda y, h: np.tanh(h - y),
    ...     curvature=lambda y, h: 1.0 - np.tanh(h - y) ** 2,
    ...     loss=lambda y, h: np.log(np.cosh(h - y)), ridge=0.1)
    >>> model.label
    'identity'
    """

    system: ClassVar[str] = "glm"

    alpha: float
    derivative: Callable[..., Any] = field(repr=False)
    curvature: Callable[..., Any] = field(repr=False)
    loss: Callable[..., Any] | None = field(default=None, repr=False)
    label: str = "identity"
    noise: float = 0.0
    ridge: float | None = None
    loss_functions: Loss = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _alpha(self.alpha))
        if self.label not in LABELS:
            raise ValueError(
                f"label = {self.label!r} is not allowed: it must be one of {tuple(LABELS)}"
            )
        wanted = "a finite number >= 0"
        noise = checks.finite_number("noise", self.noise, low=0.0, wanted=wanted)
        object.__setattr__(self, "noise", noise)
        if self.ridge is not None:
            object.__setattr__(self, "ridge", _ridge(self.ridge))
        functions = losses.of_user(self.derivative, self.curvature, self.loss)
        object.__setattr__(self, "loss_functions", functions)

    def setting(self) -> Setting:
        """Return the model as the solvers see it."""
        return Setting(
            self.alpha, self.loss_functions, self.ridge, True, label=LABELS[self.label],
            noise=self.noise, even=self.label == "magnitude",
        )  # fmt: skip


Model = PhaseRetrieval | GaussianMixture | LinearRegression | GeneralizedLinear
