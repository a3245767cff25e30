"""How often gradient flow from random starts finds the teacher of phase retrieval, at finite N.

The flow on |w|^2 = N takes the stabilised steps of :mod:`dmft.systems.glm.stabilised`, here on the
weights themselves, whose lengths follow the method's own estimate of the error (Sommeijer, Shampine
and Verwer, J. Comput. Appl. Math. 88, 315, 1998).  Matrices are in single precision.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.glm.model import PhaseRetrieval
from dmft.systems.glm.stabilised import coefficients, largest_eigenvalue, stages_for

__all__ = ["FOUND", "Success", "success"]

Array = NDArray[np.float64]

ROOT_SEED = 20200613
# |m| beyond which the teacher is found: runs end at 1 to rounding, or below 0.9.
FOUND = 0.99
# Error of a step allowed, relative to |w|, and the first step.  With tolerances of 3e-2 to 3e-3 the
# same runs succeed, at the same time to 6 % (N = 500, a = 0.1, and N = 1000, a = 1; alpha = 4).
TOLERANCE, FIRST = 2e-2, 1e-2
# Steps change by these factors at most, and aim at SAFETY of the tolerance.
SHRINK, GROW, SAFETY = 0.2, 3.0, 0.7
# The steps are stable up to this times the largest eigenvalue of the Hessian at N = infinity with
# the outputs at the start of the step.
MARGIN = 1.5


class Success(NamedTuple):
    """Runs from random starts.

    Attributes
    ----------
    m : ndarray, shape (instances, starts)
        |w.w*|/N at the end.
    t : ndarray, shape (instances, starts)
        When it exceeded FOUND; infinite if it did not.
    """

    m: Array
    t: Array

    @property
    def rate(self) -> float:
        """Fraction of the runs that have found the teacher at the end."""
        return float(np.mean(self.m > FOUND))

    @property
    def error(self) -> float:
        """Standard error of the rate: binomial, or the scatter between the data if larger.

        Starts on the same data are not independent.  With k of n runs the binomial error takes
        (k+1)/(n+2) for the rate, so that it is not 0 where all runs agree.
        """
        found = self.m > FOUND
        p = (found.sum() + 1.0) / (found.size + 2.0)
        binomial = math.sqrt(p * (1.0 - p) / found.size)
        if len(found) < 3:
            return binomial
        scatter = float(found.mean(axis=1).std(ddof=1)) / math.sqrt(len(found))
        return max(binomial, scatter)


def success(
    model: PhaseRetrieval, n: int, t_end: float, *, instances: int, starts: int,
    root_seed: int = ROOT_SEED,
) -> Success:  # fmt: skip
    """Run gradient flow from `starts` random points of the sphere on each of `instances` data.

    Parameters
    ----------
    model : PhaseRetrieval
        What is trained.
    n : int
        Number of weights N, >= 10.
    t_end : float
        Time to reach, > 0.
    instances, starts : int
        Numbers of data sets, and of starts on each, >= 1.
    root_seed : int
        Where the random numbers begin.

    Raises
    ------
    ValueError
        A number is out of its range.
    """
    n = checks.integer("n", n, low=10)
    instances = checks.integer("instances", instances, low=1)
    starts = checks.integer("starts", starts, low=1)
    t_end = checks.positive_number("t_end", t_end)
    children = np.random.SeedSequence(root_seed).spawn(instances)
    found = [_Data(model, n, np.random.default_rng(one)).run(t_end, starts) for one in children]
    m, t = np.array(found).transpose(1, 0, 2)
    return Success(m, t)


class _Data:
    """One data set; the teacher is (1, ..., 1)."""

    def __init__(self, model: PhaseRetrieval, n: int, rng: np.random.Generator) -> None:
        self.loss, self.n, self.rng = model.loss_functions, n, rng
        self.X = rng.standard_normal((round(model.alpha * n), n), dtype=np.float32)
        self.y = np.abs(self.X.sum(axis=1, dtype=np.float64) / math.sqrt(n))[:, None]
        self.alpha = len(self.X) / n

    def run(self, t_end: float, starts: int) -> Array:
        """Return |m| at the end, and when it exceeded FOUND, shape (2, starts)."""
        W = self.rng.standard_normal((self.n, starts))
        W *= np.sqrt(self.n / (W * W).sum(axis=0))
        found = np.array([np.abs(W.mean(axis=0)), np.full(starts, np.inf)])
        under_way, t, length = np.arange(starts), 0.0, FIRST
        outputs = self._outputs(W)
        slope = self._slope(W, outputs)
        while t < t_end and len(under_way) > 0:
            length = min(length, t_end - t)
            new = self._step(W, outputs, slope, length)
            outputs_new = self._outputs(new)
            slope_new = self._slope(new, outputs_new)
            # The method's estimate; the norm is restored below, and is not part of it.
            wrong = 0.8 * (W - new) + 0.4 * length * (slope + slope_new)
            error = math.sqrt(float((wrong * wrong).sum(axis=0).max()) / self.n)
            factor = SAFETY * (TOLERANCE / error) ** (1.0 / 3.0) if math.isfinite(error) else SHRINK
            if error <= TOLERANCE:
                t += length
                scale = np.sqrt(self.n / (new * new).sum(axis=0))
                W = new * scale
                found[0, under_way] = np.abs(W.mean(axis=0))
                there = found[0, under_way] > FOUND
                found[1, under_way[there]] = t
                W, under_way = W[:, ~there], under_way[~there]
                outputs = outputs_new[:, ~there] * scale[~there]
                slope = self._slope(W, outputs)
            length *= min(max(factor, SHRINK), GROW)
        return found

    def _outputs(self, W: Array) -> Array:
        return (self.X @ W.astype(np.float32)).astype(np.float64) / math.sqrt(self.n)

    def _slope(self, W: Array, h: Array) -> Array:
        """Return dW/dt of the flow on the sphere."""
        F = self.loss.derivative(self.y, h).astype(np.float32)
        g = (self.X.T @ F).astype(np.float64) / math.sqrt(self.n)
        return np.asarray((g * W).sum(axis=0) / (W * W).sum(axis=0) * W - g)

    def _step(self, W: Array, outputs: Array, slope: Array, length: float) -> Array:
        """Take one step of the Runge-Kutta-Chebyshev method of order 2."""
        stages = stages_for(length, MARGIN * self._radius(outputs))
        w0, w1, b, a = coefficients(stages)
        before, now = W, W + b[1] * w1 * length * slope
        for j in range(2, stages + 1):
            one, two = 2.0 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2]
            tilde = 2.0 * b[j] * w1 / b[j - 1] * length
            here = self._slope(now, self._outputs(now))
            new = (1.0 - one - two) * W + one * now + two * before
            new += tilde * here - a[j - 1] * tilde * slope
            before, now = now, new
        return np.asarray(now)

    def _radius(self, h: Array) -> float:
        mean = np.full(len(h), 1.0 / len(h))
        v = self.y[:, 0] ** 2 - 1.0
        ends = (
            largest_eigenvalue(self.alpha, 1.0, self.loss.curvature(self.y[:, 0], column), v, mean)
            for column in h.T
        )
        return float(max(ends))
