"""The error on a fresh sample, from overlap and norm of the weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from dmft.systems.glm.model import GaussianMixture, LinearRegression, Model, PhaseRetrieval

__all__ = ["test_error"]

Array = NDArray[np.float64]

# Points of a user's loss on a fresh sample; the mean of a smooth loss is then good to 1e-4.
POWER = 14


def test_error(model: Model, m: Array, q: Array, bias: Array) -> Array:
    """Return the error on a fresh sample for overlaps m, norms q = |w|^2/N and biases.

    PhaseRetrieval: ``E(|h| - |r|)^2 = 1 + q - 2 E|r h|``.  LinearRegression:
    ``E(h - y)^2 = 1 - 2m + q + noise^2``.  GaussianMixture: the probability of the wrong class,
    ``rho H((m+b)/sqrt(delta q)) + (1-rho) H((m-b)/sqrt(delta q))``.  GeneralizedLinear: E l(y, h).
    """
    q = np.maximum(q, 0.0)
    if isinstance(model, PhaseRetrieval):
        return 1.0 + q - 2.0 * _mean_modulus(m, q)
    if isinstance(model, LinearRegression):
        return np.asarray(1.0 - 2.0 * m + q + model.noise**2)
    if isinstance(model, GaussianMixture):
        with np.errstate(divide="ignore", invalid="ignore"):
            width = np.sqrt(model.delta * q)
            plus = np.where(width > 0.0, (m + bias) / width, np.sign(m + bias) * np.inf)
            minus = np.where(width > 0.0, (m - bias) / width, np.sign(m - bias) * np.inf)
        # 0/0: the output is 0 and the class is a guess.
        plus, minus = np.nan_to_num(plus, nan=0.0), np.nan_to_num(minus, nan=0.0)
        return np.asarray(model.rho * ndtr(-plus) + (1.0 - model.rho) * ndtr(-minus))
    return _mean_loss(model, m, q)


def _mean_modulus(m: Array, q: Array) -> Array:
    """Return E|r h| of two Gaussians of variances 1 and q, with covariance m."""
    root = np.sqrt(q)
    correlation = np.clip(np.divide(m, root, out=np.zeros_like(m), where=root > 0.0), -1.0, 1.0)
    angle = np.sqrt(1.0 - correlation**2) + correlation * np.arcsin(correlation)
    return np.asarray(root * angle * 2.0 / math.pi)


def _mean_loss(model: Model, m: Array, q: Array) -> Array:
    """Return E l(y, h) of a teacher by quasi Monte Carlo."""
    points = qmc.Sobol(3, scramble=True, rng=np.random.default_rng(0)).random_base2(POWER)
    r, z, noise = ndtri(points.T + 2.0**-31)
    setting = model.setting()
    y = setting.label(r) + setting.noise * noise
    width = np.sqrt(np.maximum(q - m * m, 0.0))
    return np.array(
        [
            float(np.mean(setting.loss.value(y, one * r + s * z)))
            for one, s in zip(m, width, strict=True)
        ]
    )
