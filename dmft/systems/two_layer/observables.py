"""Quantities that are computed from the order parameters of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.two_layer.solution import TwoLayerSolution

__all__ = ["OBSERVABLES", "cosines", "observable_table", "specialization"]

Array = NDArray[np.float64]

OBSERVABLES = ("cosines", "specialization")


def cosines(solution: TwoLayerSolution, t: ArrayLike) -> Array:
    """Return ``R_in/sqrt(Q_ii T_nn)``, the cosines between student and teacher units.

    Parameters
    ----------
    solution : TwoLayerSolution
        A run.
    t : array_like
        Times in [0, time reached].

    Returns
    -------
    ndarray, shape (..., K, M), first the axes of t
        Cosines in [-1, 1] (dimensionless); 0 for a unit without weights.

    Raises
    ------
    ValueError
        A time is out of its range.
    """
    at = solution.at(t)
    student = np.diagonal(at.Q, axis1=-2, axis2=-1)[..., :, None]
    size = np.sqrt(np.maximum(student * np.diag(solution.model.T), 0.0))
    return np.divide(at.R, size, out=np.zeros_like(at.R), where=size > 0.0)


def specialization(solution: TwoLayerSolution, t: ArrayLike) -> Array:
    """Return how far each student unit has picked one teacher unit, averaged over the units.

    Of the absolute cosines of a student unit with the teacher's units: the largest, less the mean
    of the others.  It is 0 on the symmetric plateau, where all are alike, and 1 where every student
    unit is a teacher unit and T = I; with M = 1 it is the mean absolute cosine.

    Parameters
    ----------
    solution : TwoLayerSolution
        A run.
    t : array_like
        Times in [0, time reached].

    Returns
    -------
    ndarray, shape of t
        In [0, 1] (dimensionless).

    Raises
    ------
    ValueError
        A time is out of its range.
    """
    size = np.abs(cosines(solution, t))
    largest = size.max(axis=-1)
    others = (size.sum(axis=-1) - largest) / max(size.shape[-1] - 1, 1)
    return np.asarray((largest - others).mean(axis=-1))


def observable_table(
    solution: TwoLayerSolution, name: str, times: ArrayLike | None
) -> dict[str, NDArray[Any]]:
    """Return an observable as a table, at `times` or at all times of the run.

    Raises
    ------
    ValueError
        The observable is not known, or a time is out of its range.
    """
    t = solution.t if times is None else np.atleast_1d(np.asarray(times, dtype=np.float64))
    if name == "specialization":
        return {"t": t, "specialization": specialization(solution, t)}
    if name == "cosines":
        values = cosines(solution, t)
        K, M = values.shape[1:]
        pairs = {f"cosine_{i}_{n}": values[:, i, n] for i in range(K) for n in range(M)}
        return {"t": t, **pairs}
    known = ", ".join(OBSERVABLES)
    raise ValueError(f"observable = {name!r} is not allowed for this system: there is {known}")
