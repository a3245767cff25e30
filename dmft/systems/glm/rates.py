"""Step sizes that depend on time: eta_n = step * learning_rate(n step).

The theory of discrete steps is exact for any sequence of step sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.schedules import PowerLaw, Switch, TabulatedFunction, evaluate, is_closed_form, resolved

__all__ = ["Rate", "lowered", "rates"]

Array = NDArray[np.float64]

# What options hold: a factor, a law that goes on for ever, or one factor for each step.
Rate = float | PowerLaw | tuple[float, ...]
WANTED = "a number > 0, a schedule, a function of t, or one factor > 0 for each step"


def lowered(rate: Any, step: float, steps: int) -> Rate:
    """Return a learning rate as options hold it.

    Parameters
    ----------
    rate : float, PowerLaw, Switch, TabulatedFunction, callable or sequence of float
        Factor on `step` as a function of t = n step, or for each step n.
    step : float
        Step size.
    steps : int
        Number of steps.

    Raises
    ------
    ValueError
        A factor is not > 0 and finite, or a sequence is too short.
    """
    if isinstance(rate, PowerLaw):
        return rate
    if isinstance(rate, (int, float, np.number)) and not isinstance(rate, bool):
        return checks.positive_number("learning_rate", rate)
    times = step * np.arange(steps)
    if callable(rate) or isinstance(rate, (Switch, TabulatedFunction)):
        values: Any = [_at(rate, float(t)) for t in times]
    elif isinstance(rate, (Sequence, np.ndarray)) and not isinstance(rate, str):
        values = rate
    else:
        raise ValueError(f"learning_rate = {rate!r} is not allowed: it must be {WANTED}")
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or len(found) < steps:
        raise ValueError(
            f"learning_rate has {found.size} factors, and the run {steps} steps: it"
            f" must be {WANTED}"
        )
    bad = ~(np.isfinite(found) & (found > 0.0))
    if np.any(bad):
        n = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"learning_rate is not allowed: at step {n}, t = {n * step:g}, it is {found[n]:g}, and"
            " must be a finite number > 0"
        )
    return tuple(found.tolist())


def _at(rate: Any, t: float) -> float:
    """Return the value of a schedule or function at t."""
    rate = resolved(rate, t)
    if is_closed_form(rate):
        return float(evaluate(rate, np.array(t)))
    try:
        return float(rate(t))
    except Exception as error:
        raise ValueError(
            f"learning_rate raises {type(error).__name__} at t = {t:g}: {error}"
        ) from error


def rates(rate: Rate, step: float, steps: int) -> Array:
    """Return the factor of each step, shape (steps,).

    Raises
    ------
    ValueError
        There is one for each step of a shorter run.
    """
    if isinstance(rate, tuple):
        if len(rate) < steps:
            raise ValueError(
                f"learning_rate ends at t = {len(rate) * step:g}: t_end must not be later"
            )
        return np.array(rate[:steps])
    if isinstance(rate, PowerLaw):
        return np.asarray(rate.at(step * np.arange(float(steps))))
    # A number.
    return np.full(steps, float(rate))
