"""Spectral estimates: the leading eigenvector of the matrix (PCA), and of one that knows W (LAMP).

PCA knows nothing of the prior.  With ``theta = rho/sqrt(Delta)`` (Wigner) the squared overlap of
the leading eigenvector of Y with v/norm(v) is ``1 - 1/theta^2`` above theta = 1; for the right
singular vector of a Wishart matrix, with ``theta^2 = beta rho/Delta``, it is
``1 - (beta + theta^2)/(theta^2 (theta^2 + 1))`` above theta^4 = beta (Benaych-Georges & Nadakuditi,
arXiv:1103.2221).  The noise is rotation invariant, so the structure of v does not matter.

LAMP (arXiv:1905.12385, section 4) linearises AMP at zero.  With ``K = (rho - kappa^2) I +
kappa^2 W W'/k``, the covariance of v given W,

    Gamma = K [Y/sqrt(p) - rho I]/Delta                                     (Wigner)
    Gamma = K [Y'Y/(p (Delta + rho)) - beta I]/Delta                        (Wishart)

For a *Gaussian* spike of covariance K, AMP is linear and its fixed point is an eigenvector of Gamma
with eigenvalue 1 exactly: the field is ``B = [Y v_hat/sqrt(p) - (rho - q) v_hat]/Delta``, and
``(K^-1 + q/Delta) v_hat = B`` is ``Gamma v_hat = v_hat``.  Its overlap is q = c with

    1 = E_s s^2/(Delta + c s),    s distributed as the eigenvalues of K     (Wigner),

the state evolution of that Gaussian spike.  The resolvent that gives the overlap of the eigenvector
with v involves v only through v'f(W)v, for which v = phi(W z/sqrt(k)) and the Gaussian spike agree
as p grows.  So the squared overlap of LAMP is c/rho for every activation with E phi = 0, and for a
linear one LAMP is as good as the Bayes-optimal estimate: c = q_v.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.optimize import brentq

from dmft.systems.generative.model import (
    Activation,
    Channel,
    SpikedGenerative,
    aspect_ratio,
    moments,
)
from dmft.systems.generative.theory.curves import delta_at, gaussian_latent
from dmft.systems.generative.theory.thresholds import critical_delta

__all__ = ["SpectralErrors", "lamp_overlap", "pca_overlap", "pca_transition", "spectral_errors"]


class SpectralErrors(NamedTuple):
    """Mean square error per component of v of the two spectral estimates; NaN: not defined.

    Attributes
    ----------
    lamp, pca : float
        Of the method that knows the weights, and of principal components (dimensionless).
    """

    lamp: float
    pca: float


def spectral_errors(model: SpikedGenerative) -> SpectralErrors:
    """Return the mean square errors of LAMP and PCA, with the best length of the eigenvector.

    The estimate c x with the unit eigenvector x, of squared overlap q with v/norm(v), has the error
    rho (1 - q) at its best c.

    Parameters
    ----------
    model : SpikedGenerative
        The model.

    Returns
    -------
    SpectralErrors
        rho (1 - q) for both methods (dimensionless); LAMP is NaN for relu.

    Notes
    -----
    Equations: see the module (arXiv:1905.12385, section 4, and arXiv:1103.2221).

    Examples
    --------
    >>> spectral_errors(SpikedGenerative(alpha=1.0, delta=0.25)).pca
    0.25
    """
    rho = model.rho
    return SpectralErrors(rho * (1.0 - lamp_overlap(model)), rho * (1.0 - pca_overlap(model)))


def pca_transition(
    activation: Activation = "linear", channel: Channel = "wigner", beta: float | None = None
) -> float:
    """Return the noise above which principal components have no overlap with the spike.

    Parameters
    ----------
    activation, channel, beta
        As in :class:`~dmft.systems.generative.model.SpikedGenerative`.

    Returns
    -------
    float
        Delta = rho^2 (Wigner) or Delta = rho sqrt(beta) (Wishart), dimensionless.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    Equations: see the module (arXiv:1103.2221).

    Examples
    --------
    >>> pca_transition("relu")
    0.25
    """
    _, rho, _ = moments(activation)
    ratio = aspect_ratio(channel, beta)
    return rho**2 if ratio is None else rho * math.sqrt(ratio)


def pca_overlap(model: SpikedGenerative) -> float:
    """Return the squared overlap of the leading eigenvector of Y with v/norm(v).

    Parameters
    ----------
    model : SpikedGenerative
        The model; for Wishart the right singular vector is meant.

    Returns
    -------
    float
        In [0, 1] (dimensionless); zero above the transition of PCA, which is Delta = rho^2
        (Wigner) or Delta = rho sqrt(beta) (Wishart).

    Notes
    -----
    Equations: see the module (arXiv:1103.2221).

    Examples
    --------
    >>> pca_overlap(SpikedGenerative(alpha=1.0, delta=0.25))
    0.75
    """
    if model.beta is None:
        return max(0.0, 1.0 - model.delta / model.rho**2)
    square = model.beta * model.rho / model.delta
    return max(0.0, 1.0 - (model.beta + square) / (square * (square + 1.0)))


def lamp_overlap(model: SpikedGenerative) -> float:
    """Return the squared overlap of LAMP's eigenvector with v/norm(v).

    Parameters
    ----------
    model : SpikedGenerative
        The model.

    Returns
    -------
    float
        In [0, 1] (dimensionless): c/rho of the module; zero above Delta_c; NaN for relu, as LAMP
        needs E phi = 0.

    Notes
    -----
    Equations: see the module.  They are derived there and checked by simulation.

    Examples
    --------
    >>> round(lamp_overlap(SpikedGenerative(alpha=1.0, delta=1.0)), 6)
    0.43016
    """
    if model.mean != 0.0:
        return math.nan
    threshold = critical_delta(model.alpha, model.activation, model.channel, model.beta)
    if model.delta >= float(threshold):
        return 0.0

    def log_excess(log_A: float) -> float:
        q, _ = gaussian_latent(model.alpha, math.exp(log_A), model.rho, model.kappa**2)
        return math.log(delta_at(math.exp(log_A), q, model.beta) / model.delta)

    # Delta(A) falls from Delta_c at A = 0 to zero.
    low, high = -1.0, 1.0
    while log_excess(low) < 0.0:
        low -= 2.0
    while log_excess(high) > 0.0:
        high += 2.0
    A = math.exp(float(brentq(log_excess, low, high, xtol=1e-14, rtol=1e-14)))
    return gaussian_latent(model.alpha, A, model.rho, model.kappa**2)[0] / model.rho
