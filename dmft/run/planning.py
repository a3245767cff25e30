"""What the plans of all systems check alike, and what they tell of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from dmft import checks
from dmft.run.provenance import made
from dmft.solution import Solution, Status

__all__ = ["end_of", "provenance", "times_of"]


def times_of(t_eval: ArrayLike | None, t_end: float) -> tuple[float, ...] | None:
    """Return the times that a user asks for, checked; None if there are none.

    Raises
    ------
    ValueError
        They are no list, or one of them is outside [0, t_end].
    """
    if t_eval is None:
        return None
    times = checks.array_in("t_eval", t_eval, 0.0, t_end)
    if times.ndim != 1:
        raise ValueError(f"t_eval has {times.ndim} axes: it must be a list of times")
    return tuple(times.tolist())


def end_of(before: Solution, path: str | os.PathLike[str], t_end: float | None) -> float:
    """Return the time that a saved run is to reach; without `t_end` that of its own plan.

    Raises
    ------
    ValueError
        The run has reached that time already.
    """
    reached, planned = float(before.t[-1]), float(before.provenance["t_end"])
    end = checks.positive_number("t_end", planned if t_end is None else t_end)
    if t_end is None and before.status is Status.FINISHED:
        raise ValueError(f"{str(path)!r} has reached its t_end = {planned:g}: give a later one")
    if end < reached:
        raise ValueError(
            f"t_end = {end:g} is not allowed: the run has reached t = {reached:g}; give a later one"
        )
    return end


def provenance(
    t_end: float,
    tol: float | None,
    options: Mapping[str, Any],
    *,
    verify: bool | None = None,
    t_eval: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return what a file tells of how the run was made; None leaves an entry out, except tol."""
    optional = {"verify": verify, "t_eval": None if t_eval is None else list(t_eval)}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"t_end": t_end, "tol": tol, "options": dict(options), **given, **made()}
