"""Growth of a vanishing overlap in phase retrieval, and the Hessian that drives it, to long times.

At m0 = 0 the overlap obeys a linear equation, see :mod:`dmft.systems.glm.weights`; ln M is its log.
Whether it grows like a power of t or exponentially is decided by the lower end of the spectrum of
the Hessian at the law of (r, h) at time t: with ``F = 1 + chi alpha E[d (r^2 - 1)/(1 + chi d)]`` at
the chi of the lower edge, an eigenvalue along the teacher lies outside the bulk where F < 0
(arXiv:2006.06997).  F is an average over paths at one time and hardly noisy; ln M adds up the noise
of all earlier times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.glm.descent import Problem
from dmft.systems.glm.long_flow import LongFlow
from dmft.systems.glm.methods import FLOW
from dmft.systems.glm.model import PhaseRetrieval
from dmft.systems.glm.options import FlowOptions
from dmft.systems.glm.replica import Start
from dmft.systems.glm.theory.phase_retrieval import edge_and_outlier

__all__ = ["Growth", "overlap_growth"]

Array = NDArray[np.float64]


class Growth(NamedTuple):
    """Runs from m0 = 0; all but t have shape (replicas, n).

    Attributes
    ----------
    t : ndarray, shape (n,)
        Times.
    ln_m : ndarray
        Log of the linearised overlap, 0 at t = 0.
    train_loss : ndarray
        ``sum_mu l/N``.
    signal : ndarray
        F at the lower edge: below 0 an eigenvalue along the teacher lies outside the bulk.
    edge : ndarray
        Lower edge of the Hessian's bulk.
    """

    t: Array
    ln_m: Array
    train_loss: Array
    signal: Array
    edge: Array


def overlap_growth(model: PhaseRetrieval, t_end: float, options: FlowOptions) -> Growth:
    """Run gradient flow from m0 = 0 to t_end.

    Parameters
    ----------
    model : PhaseRetrieval
        What is trained.
    t_end : float
        Time to reach, > 0.
    options : FlowOptions
        Steps and sampling.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the paths do not fit into memory.
    ArithmeticError
        The run does not reach t_end; its sentence says why.

    Examples
    --------
    >>> options = FlowOptions(paths=256, response_paths=128, replicas=2)
    >>> growth = overlap_growth(PhaseRetrieval(5.0), 1.0, options)
    >>> bool(growth.ln_m[:, -1].min() > 1.0)
    True
    """
    t_end = checks.positive_number("t_end", t_end)
    FLOW.prepare()
    solver = LongFlow(Problem(model, Start(0.0, 1.0), t_end), options, np.nan)
    found = [_spectra(solver, model)]
    while not solver.finished:
        result = solver.advance()
        if not result.ok:
            raise ArithmeticError(result.message)
        found.append(_spectra(solver, model))
    record = solver.record()
    edge, signal = np.array(found).transpose(2, 1, 0)
    return Growth(record.t, record.state["growth"], record.state["train_loss"], signal, edge)


def _spectra(solver: LongFlow, model: PhaseRetrieval) -> list[tuple[float, float]]:
    """Return edge and F of each replica, shape (replicas, 2)."""
    replicas = [one.replica for one in solver.stages]
    found = [edge_and_outlier(model.alpha, model.a, r.signal, r.h) for r in replicas]
    return [(one.edge, one.signal) for one in found]
