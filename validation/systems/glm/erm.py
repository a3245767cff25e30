"""Ridge minimisers on drawn mixtures, against :func:`dmft.systems.glm.theory.mixture.erm`.

The square loss is a linear system, the logistic loss is minimised by L-BFGS, the hinge loss in its
dual, a quadratic program with bounds,

    max over 0 <= u <= 1 of  sum_mu u_mu (1 - y_mu b) - |sum_mu u_mu y_mu x_mu|^2/(2 N ridge),

where a fitted b is the root of sum_mu y_mu u_mu = 0.  Only scipy.optimize takes part: nothing comes
from the theory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize
from scipy.special import expit, log_expit, ndtr

from dmft.systems.glm.model import GaussianMixture
from dmft.systems.glm.theory import mixture
from validation.extrapolation import extrapolate
from validation.statistics import Verdict, judge, standard_error

__all__ = [
    "QUANTITIES",
    "Comparison",
    "Sample",
    "compare",
    "draw",
    "minimise",
    "minimise_weights",
    "repeat",
]

Array = NDArray[np.float64]

QUANTITIES = ("m", "q", "b", "train_loss", "train_error", "test_error")
# Largest component of the gradient, per sample, at which L-BFGS stops.  It is far below what draws
# scatter by.
GRADIENT = 1e-9


class Sample(NamedTuple):
    """A drawn training set: labels y, and inputs x/sqrt(N), shape (M, N), with v = (1, ..., 1)."""

    y: Array
    x: Array


class Comparison(NamedTuple):
    """Theory against drawn minimisers, one entry per quantity.

    `limit` and `error` are the mean extrapolated to N = infinity and its standard error.
    """

    names: tuple[str, ...]
    theory: Array
    limit: Array
    error: Array
    verdict: Verdict


def draw(model: GaussianMixture, n: int, rng: np.random.Generator) -> Sample:
    """Return a training set of round(alpha n) samples."""
    count = round(model.alpha * n)
    y = np.where(rng.random(count) < model.rho, 1.0, -1.0)
    x = math.sqrt(model.delta / n) * rng.normal(size=(count, n)) + y[:, None] / n
    return Sample(y, x)


def minimise_weights(model: GaussianMixture, sample: Sample) -> tuple[Array, float]:
    """Return w, shape (N,), and the bias of the minimiser.

    Raises
    ------
    ValueError
        A hinge loss without ridge, which has no dual of this form, or a smoothed one.
    """
    if model.loss == "smoothed-hinge":
        raise ValueError("loss = 'smoothed-hinge' is not allowed: take 'hinge' for minimisers")
    if model.loss == "hinge" and model.ridge == 0.0:
        raise ValueError("ridge = 0 is not allowed with the hinge loss: it must be > 0")
    return {"square": _square, "logistic": _logistic, "hinge": _hinge}[model.loss](model, sample)


def minimise(model: GaussianMixture, sample: Sample) -> Array:
    """Return m, q, b, train loss, train error and test error of the minimiser, shape (6,)."""
    w, b = minimise_weights(model, sample)
    margins = sample.y * (sample.x @ w + b)
    loss = {
        "square": lambda u: 0.5 * (1.0 - u) ** 2,
        "logistic": lambda u: -log_expit(u),
        "hinge": lambda u: np.maximum(0.0, 1.0 - u),
    }[model.loss](margins)
    m, q = float(np.mean(w)), float(np.mean(w * w))
    width = math.sqrt(model.delta * q)
    error = model.rho * ndtr(-(m + b) / width) + (1.0 - model.rho) * ndtr(-(m - b) / width)
    return np.array([m, q, b, np.mean(loss), np.mean(margins < 0.0), error])


def repeat(model: GaussianMixture, n: int, seeds: int, root_seed: int = 0) -> Array:
    """Return the quantities of several draws, shape (seeds, 6)."""
    streams = np.random.SeedSequence([root_seed, n]).spawn(seeds)
    return np.array(
        [minimise(model, draw(model, n, np.random.default_rng(stream))) for stream in streams]
    )


def compare(model: GaussianMixture, sizes: Mapping[int, int], root_seed: int = 0) -> Comparison:
    """Compare the theory with draws of several N (N -> number of draws), extrapolated in 1/N.

    The verdict is a joint test of all quantities and Student's test of the largest deviation; it is
    "disagree" by chance in less than one of 1000 comparisons.

    Raises
    ------
    ValueError
        Fewer than two sizes or two draws, or the theory has no minimiser.
    """
    theory = mixture.erm(model)
    if not theory.success:
        raise ValueError(f"model = {model!r} is not allowed: {theory.message}")
    keep = [k for k, name in enumerate(QUANTITIES) if name != "b" or model.fixed_bias is None]
    samples = [repeat(model, n, seeds, root_seed)[:, keep] for n, seeds in sizes.items()]
    fit = extrapolate(list(sizes), samples)
    names = tuple(QUANTITIES[k] for k in keep)
    expected = np.array([getattr(theory, name) for name in names])
    verdict = judge(fit.limit - expected, fit.scatter, fit.freedom)
    return Comparison(names, expected, fit.limit, standard_error(fit.scatter), verdict)


def _columns(model: GaussianMixture, sample: Sample) -> tuple[Array, Array, float]:
    """Return inputs with a column for a fitted bias, the ridge of each column, the fixed bias."""
    x, fixed = sample.x, model.fixed_bias
    ridge = np.full(x.shape[1], model.ridge)
    if fixed is None:
        return np.hstack([x, np.ones((len(x), 1))]), np.append(ridge, 0.0), 0.0
    return x, ridge, fixed


def _split(model: GaussianMixture, u: Array) -> tuple[Array, float]:
    return (u[:-1], float(u[-1])) if model.fixed_bias is None else (u, model.fixed_bias)


def _square(model: GaussianMixture, sample: Sample) -> tuple[Array, float]:
    x, ridge, fixed = _columns(model, sample)
    normal = x.T @ x + np.diag(ridge)
    return _split(model, linalg.solve(normal, x.T @ (sample.y - fixed), assume_a="pos"))


def _logistic(model: GaussianMixture, sample: Sample) -> tuple[Array, float]:
    x, ridge, fixed = _columns(model, sample)
    scale = 1.0 / len(sample.y)

    def value(u: Array) -> tuple[float, Array]:
        margins = sample.y * (x @ u + fixed)
        slope = -(sample.y * expit(-margins)) @ x + ridge * u
        loss = -np.sum(log_expit(margins)) + 0.5 * np.sum(ridge * u * u)
        return float(scale * loss), scale * slope

    options: dict[str, Any] = {"maxiter": 10**5, "maxfun": 10**6, "gtol": GRADIENT, "ftol": 1e-16}
    start = np.zeros(x.shape[1])
    found = optimize.minimize(value, start, jac=True, method="L-BFGS-B", options=options)
    return _split(model, found.x)


def _hinge(model: GaussianMixture, sample: Sample) -> tuple[Array, float]:
    inputs = sample.y[:, None] * sample.x
    gram = inputs @ inputs.T / model.ridge
    bounds = optimize.Bounds(0.0, 1.0)
    u = np.full(len(sample.y), 0.5)

    def dual(b: float) -> Array:
        """Return the best u for a bias, from the last one found."""
        nonlocal u
        linear = 1.0 - sample.y * b

        def value(v: Array) -> tuple[float, Array]:
            force = gram @ v
            return float(0.5 * v @ force - linear @ v), force - linear

        options: dict[str, Any] = {"maxiter": 10**5, "maxfun": 10**6, "gtol": 1e-8, "ftol": 1e-15}
        found = optimize.minimize(
            value, u, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )
        u = np.asarray(found.x)
        return u

    b = model.fixed_bias
    if b is None:
        b = float(optimize.brentq(lambda c: float(sample.y @ dual(c)), -5.0, 5.0, xtol=1e-7))
    return dual(b) @ inputs / model.ridge, b
