"""Gradient flow as the limit of small steps: extrapolation from runs with several steps.

Discrete descent with step h differs from gradient flow by a series in powers of h.  Of runs with h,
h/2 and h/4 and the same random numbers the two finer ones give the values, without the term in h;
what cancelling the term in h^2 too would change is their error.  (It also multiplies the sampling
noise by 3.3 instead of 2.2: for phase retrieval it made the values worse.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.solution import finished
from dmft.systems.glm.model import Model
from dmft.systems.glm.options import StepOptions
from dmft.systems.glm.solve import solve

__all__ = ["Flow", "gradient_flow"]

Array = NDArray[np.float64]

# Weights of the runs with h, h/2, h/4: those of the polynomial of degree 2 in h, at h = 0, and of
# degree 1 from the two finer runs.
SECOND = np.array([1.0 / 3.0, -2.0, 8.0 / 3.0])
FIRST = np.array([0.0, -1.0, 2.0])
# The error is this times what the next order changes: the change alone was half of the true error
# where two terms of the series cancel (linear regression, step 0.05).
SAFETY = 3.0
SERIES = ("m", "q", "train_loss", "test_error", "growth")


class Flow(NamedTuple):
    """Gradient flow at chosen times.

    Attributes
    ----------
    t : ndarray, shape (n,)
        Times.
    series : mapping of str to ndarray, shape (n,)
        m, q, train_loss, test_error; growth where m0 = 0 and the teacher is even.
    errors : mapping of str to ndarray, shape (n,)
        Three times what the next order of the extrapolation would change, and twice the standard
        error of the extrapolated replicas, added.
    order : float
        Measured order of m (growth at m0 = 0) in h at the last time: 1 if the steps are small
        enough and the statistical error is below what the steps change.
    """

    t: Array
    series: dict[str, Array]
    errors: dict[str, Array]
    order: float


def gradient_flow(model: Model, times: ArrayLike, step: float, **how: Any) -> Flow:
    """Return gradient flow at `times`, extrapolated from steps `step`, step/2 and step/4.

    Parameters
    ----------
    model : PhaseRetrieval, GaussianMixture, LinearRegression or GeneralizedLinear
        What is trained.
    times : array_like, shape (n,)
        Multiples of `step`, ascending, the last > 0.
    step : float
        Largest step, > 0.
    **how
        m0 and further arguments of :func:`dmft.solve`; replicas >= 2, whose scatter is needed.

    Raises
    ------
    ValueError
        A time is no multiple of `step`, or an argument is out of its range.
    ArithmeticError
        A run failed: the step is above the stability limit.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.LinearRegression(alpha=2.0, ridge=0.3)
    >>> flow = gradient_flow(model, [1.0], 0.1, m0=0.0, paths=512, progress=False)
    >>> round(float(flow.series["m"][0]), 3)
    0.666
    """
    step = checks.positive_number("step", step)
    checks.integer("replicas", how.get("replicas", StepOptions.replicas), low=2)
    t = np.atleast_1d(np.asarray(times, dtype=np.float64))
    places = np.round(t / step).astype(int)
    if t.ndim != 1 or np.any(np.abs(places * step - t) > 1e-9 * (1.0 + t)) or np.any(t < 0.0):
        raise ValueError(f"times = {times!r} is not allowed: they must be multiples of step >= 0")
    runs = [finished(solve(model, float(t.max()), step=step / k, **how)) for k in (1, 2, 4)]
    series, errors = {}, {}
    for name in SERIES:
        if name not in runs[0].series:
            continue
        # Shape (3, replicas, n): the random numbers of a replica are those of all three runs.
        values = np.array(
            [run.replicas[name][:, k * places] for k, run in zip((1, 2, 4), runs, strict=True)]
        )
        second, first = (np.tensordot(w, values, axes=1) for w in (SECOND, FIRST))
        scatter = first.std(axis=0, ddof=1) / np.sqrt(values.shape[1])
        series[name] = first.mean(axis=0)
        errors[name] = SAFETY * np.abs((second - first).mean(axis=0)) + 2.0 * scatter
        if name in ("m", "growth"):
            last = values.mean(axis=1)[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        order = float(np.log2(np.abs((last[0] - last[1]) / (last[1] - last[2]))))
    return Flow(t, series, errors, order)
