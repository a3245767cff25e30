"""Runs over many seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from dmft import checks
from dmft.model import SpikedMatrixTensor
from validation.instances import draw
from validation.statistics import Ensemble
from validation.stored import Loss, Trajectory, gradient_descent, gradient_flow

__all__ = ["METHODS", "simulate"]

METHODS: dict[str, Callable[..., Trajectory]] = {
    "gradient_flow": gradient_flow,
    "gradient_descent": gradient_descent,
}
ROOT_SEED = 20190718


def simulate(
    model: SpikedMatrixTensor,
    *,
    n: int,
    seeds: int,
    m0: float,
    times: ArrayLike,
    method: str = "gradient_flow",
    step: float = 0.1,
    dtype: str = "float32",
    root_seed: int = ROOT_SEED,
    progress: bool | None = None,
) -> Ensemble:
    """Run gradient flow or descent on `seeds` independent instances.

    Run k has the k-th child of ``SeedSequence(root_seed)``, so that more seeds extend an ensemble
    and any run can be repeated alone.

    Parameters
    ----------
    model : SpikedMatrixTensor
        p = 3 or 4.
    n, seeds : int
        Number of components (>= 8) and of instances (>= 2).
    m0 : float
        Overlap at t = 0, in [-1, 1].
    times : array_like
        Ascending times >= 0, whole multiples of `step`.
    method : {"gradient_flow", "gradient_descent"}
        Continuous time (Runge-Kutta with `step`), or discrete steps.
    step : float, default 0.1
        Step of the integrator or of the descent.
    dtype : {"float32", "float64"}
        Storage of the tensors.
    root_seed : int
        Root of all random numbers.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the tensor does not fit memory.
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r} is not allowed: it must be one of {tuple(METHODS)}")
    seeds = checks.integer("seeds", seeds, low=2)
    step = checks.positive_number("step", step)
    times = np.atleast_1d(checks.array_in("times", times, 0.0, 1e6))
    if np.any(np.diff(times) <= 0.0):
        raise ValueError("times are not allowed: they must be ascending")
    if np.any(np.abs(times / step - np.rint(times / step)) > 1e-9):
        raise ValueError(f"times are not allowed: they must be whole multiples of step = {step:g}")
    runs = []
    children = np.random.SeedSequence(root_seed).spawn(seeds)
    bar = tqdm(
        children, desc=f"N={n}", unit="run", disable=None if progress is None else not progress
    )
    for child in bar:
        loss = Loss(draw(model, n, m0, child, dtype))
        runs.append(METHODS[method](loss, times, step))
    m, mu, e = (np.array([getattr(run, name) for run in runs]) for name in ("m", "mu", "e"))
    return Ensemble(n, times, m, mu, e)
