"""Mixtures of two Gaussian clusters: empirical risk minimisation, Bayes error, local entropy.

A sample has the label y = +1 with probability rho and -1 otherwise, and
``x = y v/sqrt(N) + sqrt(delta) z`` with ``|v|^2 = N``, ``z ~ N(0, 1_N)``.  There are M = alpha N
training samples; ``m = w.v/N``, ``q = |w|^2/N`` (arXiv:2002.11544).  All quantities are
dimensionless.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from scipy.special import ndtr

from dmft import checks
from dmft.numerics.maps import MapStatus
from dmft.systems.glm.model import GaussianMixture
from dmft.systems.glm.theory import _erm, _local_entropy

__all__ = [
    "LocalEntropy",
    "Minimiser",
    "MinimiserStatus",
    "bayes_error",
    "erm",
    "local_entropy",
    "separability",
]

REFERENCES = ("hebb", "square", "logistic")
NAN = math.nan


class MinimiserStatus(Enum):
    """How the search for a minimiser ended."""

    CONVERGED = "converged"
    NO_MINIMISER = "no minimiser"
    NOT_CONVERGED = "not converged"


@dataclass(frozen=True)
class Minimiser:
    """The minimiser of ``sum_mu l(y_mu (w.x_mu/sqrt(N) + b)) + ridge |w|^2/2`` as N -> infinity.

    Attributes
    ----------
    m, q, b : float
        Overlap w.v/N, norm ``|w|^2/N`` and bias.
    chi : float
        Response of w to a field, sum_i dw_i/dH_i / N.
    train_loss : float
        Average of l over the training samples, per sample and without the ridge.
    train_error, test_error : float
        Probabilities of a wrong label on training samples, and on new ones.
    status, message : MinimiserStatus, str
        CONVERGED, or the reason why the numbers are NaN, as a sentence.
    """

    m: float
    q: float
    b: float
    chi: float
    train_loss: float
    train_error: float
    test_error: float
    status: MinimiserStatus
    message: str

    @property
    def success(self) -> bool:
        """Whether there is a minimiser, and it was found."""
        return self.status is MinimiserStatus.CONVERGED


@dataclass(frozen=True)
class LocalEntropy:
    """Local entropy around a reference.

    Attributes
    ----------
    phi : float
        (1/N) E ln of the integral of exp(-beta x errors) over the w with ``|w|^2 = N`` at the
        angle to the reference, relative to the whole sphere: ln(1 - cos^2)/2 at beta = 0.
    train_error : float
        Fraction of training samples that a typical such w gets wrong, -(dphi/dbeta)/alpha.
    m, p : float
        Overlap w.v/N of a typical w, and overlap of two of them.
    kappa : float
        Multiplier of the angle.
    test_error : float
        Probability that a typical w gets a new sample wrong.
    replicon : float
        1 - alpha delta^2 (1-p)^2 E[(df/dM)^2]; replica symmetry is unstable, and the numbers are an
        approximation, where it is negative.
    status, message : MapStatus, str
        CONVERGED, or the reason why the numbers are NaN, as a sentence.
    """

    phi: float
    train_error: float
    m: float
    p: float
    kappa: float
    test_error: float
    replicon: float
    status: MapStatus
    message: str

    @property
    def success(self) -> bool:
        """Whether the saddle point was found."""
        return self.status is MapStatus.CONVERGED


def erm(model: GaussianMixture) -> Minimiser:
    """Return the minimiser of the empirical risk (arXiv:2002.11544).

    With omega ~ N(m + y b, delta q), ``prox = argmin_x [l(x) + (x - omega)^2/(2 delta chi)]`` and
    f = (prox - omega)/(delta chi) it is the fixed point of

        m_hat = alpha E[f],   q_hat = alpha delta E[f^2],   L_hat = alpha E[1 - prox']/chi,
        m = m_hat chi,   q = (m_hat^2 + q_hat) chi^2,   chi = 1/(ridge + L_hat),

    and E[y f] = 0 if the bias is fitted.  The square loss, l = (1 - x)^2/2, has a closed form.

    Parameters
    ----------
    model : GaussianMixture
        The mixture, its loss, ridge and bias.

    Returns
    -------
    Minimiser
        The hinge loss with a fitted bias has m = q = 0, whatever the ridge, where the clusters
        overlap much and rho is far from 1/2 (alpha = 20, rho = 0.8: for delta > 3.568).
        NO_MINIMISER where the ridge is 0 and the data are linearly separable (logistic, hinge; see
        :func:`separability`), or alpha <= 1 (square).

    Raises
    ------
    ValueError
        `model` is no mixture.

    Examples
    --------
    >>> found = erm(GaussianMixture(alpha=2.0, delta=0.5, loss="square", ridge=0.3))
    >>> round(found.m, 6), round(found.q, 6), round(found.chi, 6)
    (0.578574, 0.547406, 1.045176)
    """
    model = _mixture(model)
    problem = _erm.Problem(
        model.alpha, model.delta, model.loss, model.ridge, model.rho, model.fixed_bias
    )
    if model.loss == "square":
        at, message = _erm.square_saddle(problem), "the closed form of the square loss"
        if at is None:
            return _none(MinimiserStatus.NO_MINIMISER, _many_fits(model))
    else:
        if model.ridge == 0.0 and (limit := _separable(model)) is not None:
            return _none(MinimiserStatus.NO_MINIMISER, _separated(model, limit))
        if model.loss == "hinge" and model.fixed_bias is None and _erm.collapses(problem):
            return _collapsed(model)
        at, message = _erm.solve(problem)
        if at is None:
            return _none(MinimiserStatus.NOT_CONVERGED, message)
    mean, _ = _erm.averages(problem, at)
    return Minimiser(
        at.m, at.q, at.b, at.chi, mean.loss, mean.error,
        _test_error(at.m / math.sqrt(at.q), at.b / math.sqrt(at.q), model.delta, model.rho),
        MinimiserStatus.CONVERGED, message,
    )  # fmt: skip


def bayes_error(alpha: float, delta: float, rho: float = 0.5) -> float:
    """Return the smallest test error that alpha N samples allow.

    The posterior mean of v has m = q = alpha/(alpha + delta), and the best bias is
    ``b = (delta/2) ln(rho/(1 - rho))`` (arXiv:2002.11544).  For rho = 1/2 the error is
    H(sqrt(alpha/(delta (delta + alpha)))), with H the upper tail of a standard Gaussian.

    Parameters
    ----------
    alpha, delta : float
        Samples per dimension and variance of a cluster, > 0.
    rho : float, default 0.5
        Weight of the class y = +1, in (0, 1).

    Returns
    -------
    float
        The error, in (0, 1/2].

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> round(bayes_error(1.5, 0.7), 6)
    0.161839
    """
    model = GaussianMixture(alpha, delta, rho=rho)
    m = model.alpha / (model.alpha + model.delta)
    b = 0.5 * model.delta * (math.log(model.rho) - math.log1p(-model.rho))
    return _test_error(math.sqrt(m), b / math.sqrt(m), model.delta, model.rho)


def separability(delta: float, rho: float = 0.5, *, bias: bool = False) -> float:
    """Return the alpha below which the training data are linearly separable, as N -> infinity.

    The largest over m (and b) of ``delta (1 - m^2)/E[max(0, sqrt(delta) zeta - m - y b)^2]``, by
    Gordon's inequality; 2 for delta -> infinity and rho = 1/2.  Below it a logistic or hinge loss
    without ridge has no minimiser.

    Parameters
    ----------
    delta : float
        Variance of a cluster, > 0.
    rho : float, default 0.5
        Weight of the class y = +1, in (0, 1).
    bias : bool, default False
        Whether the plane may have any offset; without it rho plays no role.

    Returns
    -------
    float
        alpha; infinite where it is beyond 1e300.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> round(separability(1.0), 3), round(separability(1.0, 0.1, bias=True), 3)
    (3.7, 6.94)
    """
    model = GaussianMixture(1.0, delta, rho=rho)
    return _erm.separability(model.delta, model.rho, checks.flag("bias", bias))


def local_entropy(
    model: GaussianMixture, reference: str = "hebb", *, cos: float, beta: float
) -> LocalEntropy:
    """Return the local entropy around a classifier trained on the same data (arXiv:2010.14761).

    Every w with ``|w|^2 = N`` and ``w.w~ = cos |w| |w~|`` has the weight exp(-beta x number
    of training errors).  With T = 1 - p, ``S = cos sqrt(q~)``, zeta and eta standard Gaussians,
    ``omega~ = m~ + sqrt(delta q~) zeta``, shift = prox(omega~) - omega~ and

        M = m + sqrt(delta) [cos zeta + sqrt(p - cos^2) eta] + kappa shift,
        A = e^-beta + (1 - e^-beta) Phi(M/sqrt(delta T)),   f = d ln A/dM,

    the replica-symmetric potential is

        phi = ln(T)/2 + [p - m^2 - 2 kappa (S - m m~) + kappa^2 (q~ - m~^2)]/(2 T) + alpha E[ln A],

    at ``kappa = [S - T alpha (E[f shift] + m~ E[f])]/q~``, ``m = kappa m~ + T alpha E[f]`` and
    ``p = m^2 + 2 kappa (S - m m~) - kappa^2 (q~ - m~^2) + T^2 alpha delta E[f^2]``.

    Parameters
    ----------
    model : GaussianMixture
        The mixture; without a bias, where y x has the same law for every rho.  The ridge is that of
        the reference.
    reference : {"hebb", "square", "logistic"}
        w~: ``sum_mu y_mu x_mu/sqrt(N)``, or the minimiser of one of the losses with the model's
        ridge (the loss of the model plays no role).
    cos : float
        Cosine of the angle between w and w~, in (-1, 1).
    beta : float
        Price of an error, >= 0; infinity: only w without training errors count.

    Returns
    -------
    LocalEntropy
        Its status says where there is none.

    Raises
    ------
    ValueError
        A parameter is out of its range; a bias, for which the potential has not been derived.

    Examples
    --------
    >>> found = local_entropy(GaussianMixture(1.5, 1.0), "hebb", cos=0.6, beta=1.0)
    >>> round(found.phi, 6), round(found.train_error, 6)
    (-0.494704, 0.144998)
    """
    model = _mixture(model)
    cos, beta = _cosine(cos), _price(beta)
    around = _reference(model, reference)
    if isinstance(around, str):
        return LocalEntropy(NAN, NAN, NAN, NAN, NAN, NAN, NAN, MapStatus.NOT_CONVERGED, around)
    found, at = _local_entropy.saddle(model.alpha, model.delta, beta, cos, around)
    if not found.success:
        text = f"the saddle point {found.message}"
        return LocalEntropy(NAN, NAN, NAN, NAN, NAN, NAN, NAN, found.status, text)
    mean = _local_entropy.evaluate(at, around)
    kappa, m, p, T = at.kappa, at.m, at.p, 1.0 - at.p
    S = cos * math.sqrt(around.q)
    entropic = p - m * m - 2.0 * kappa * (S - m * around.m)
    entropic += kappa**2 * (around.q - around.m**2)
    phi = 0.5 * math.log1p(-p) + entropic / (2.0 * T) + model.alpha * mean.log_weight
    replicon = 1.0 - model.alpha * (model.delta * T) ** 2 * mean.slope
    return LocalEntropy(
        phi, mean.error, m, p, kappa, _test_error(m, 0.0, model.delta, 0.5), replicon,
        found.status, f"the saddle point {found.message}",
    )  # fmt: skip


def _mixture(model: Any) -> GaussianMixture:
    if not isinstance(model, GaussianMixture):
        raise ValueError(f"model = {model!r} is not allowed: it must be a GaussianMixture")
    if model.loss == "smoothed-hinge":
        raise ValueError(
            f"loss = {model.loss!r} is not allowed: it has dynamics only; take 'hinge'"
        )
    return model


def _test_error(m: float, b: float, delta: float, rho: float) -> float:
    """Return the error on new samples of w of unit norm, |w|^2 = N."""
    width = math.sqrt(delta)
    return float(rho * ndtr(-(m + b) / width) + (1.0 - rho) * ndtr(-(m - b) / width))


def _none(status: MinimiserStatus, message: str) -> Minimiser:
    return Minimiser(NAN, NAN, NAN, NAN, NAN, NAN, NAN, status, message)


def _collapsed(model: GaussianMixture) -> Minimiser:
    """Return the minimiser w = 0 of the hinge loss, which answers with the larger class."""
    least, b = min(model.rho, 1.0 - model.rho), math.copysign(1.0, model.rho - 0.5)
    text = "the minimiser is w = 0: the clusters overlap so much that the larger class wins"
    return Minimiser(
        0.0, 0.0, b, 0.0, 2.0 * least, least, least, MinimiserStatus.CONVERGED, text
    )  # fmt: skip


def _many_fits(model: GaussianMixture) -> str:
    return (
        f"the square loss has no unique minimiser with ridge = 0 and alpha = {model.alpha:g} <= 1:"
        " many w fit all training samples; a small ridge > 0 selects the one of least norm"
    )


def _separable(model: GaussianMixture) -> float | None:
    """Return the threshold of separability where alpha is below it."""
    # A bias that is a given number can be made small by a large w, so that it plays no role.
    limit = _erm.separability(model.delta, model.rho, model.fixed_bias is None)
    return limit if model.alpha <= limit else None


def _separated(model: GaussianMixture, limit: float) -> str:
    why = {
        "logistic": "the loss falls forever as |w| grows",
        "hinge": "many w have no loss at all",
    }[model.loss]
    return (
        f"the {model.loss} loss has no unique minimiser with ridge = 0: the data are linearly"
        f" separable (alpha = {model.alpha:g} <= {limit:.6g}), and {why}; take a ridge > 0"
    )


def _cosine(cos: Any) -> float:
    low, high = math.nextafter(-1.0, 0.0), math.nextafter(1.0, 0.0)
    return checks.finite_number("cos", cos, low=low, high=high, wanted="a number in (-1, 1)")


def _price(beta: Any) -> float:
    if beta == math.inf:
        return math.inf
    return checks.finite_number("beta", beta, low=0.0, wanted="a number >= 0, or infinity")


def _reference(model: GaussianMixture, reference: str) -> _local_entropy.Reference | str:
    """Return the reference, or a sentence that says why there is none."""
    if reference not in REFERENCES:
        raise ValueError(f"reference = {reference!r} is not allowed: it must be in {REFERENCES}")
    if model.fixed_bias != 0.0:
        raise ValueError(
            f"bias = {model.bias!r} is not allowed: it must be False, as the local entropy has been"
            " derived, and compared with simulations, without a bias only"
        )
    if reference == "hebb":
        return _local_entropy.hebb(model.alpha, model.delta)
    found = erm(dataclasses.replace(model, loss=reference))
    if not found.success:
        return f"the reference does not exist: {found.message}"
    return _local_entropy.minimiser(found.m, found.q, found.chi, model.delta, reference)
