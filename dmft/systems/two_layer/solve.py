"""`solve` and `resume` of online learning: from a network and a start to a solution."""

from __future__ import annotations

import os
from typing import Any, cast

from dmft.run.execute import asked, execute, go_on
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.plan import Again, Request, continued, planned
from dmft.systems.two_layer.solution import TwoLayerSolution

__all__ = ["resume", "solve"]


def solve(net: TwoLayerNetwork, t_end: float, **how: Any) -> TwoLayerSolution:
    """Integrate the equations of online learning; see :func:`dmft.solve`.

    Parameters
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    t_end : float
        Time to reach, > 0, in steps per input dimension.
    **how
        start, learning_rate, second_learning_rate, weight_decay, tol, t_eval as in
        :class:`dmft.systems.two_layer.plan.Request`; threads, progress, callback, stop, checkpoint,
        checkpoint_every as in :func:`dmft.solve`.

    Returns
    -------
    TwoLayerSolution
        Q, R, v and eg; the status is FAILED, with the time, where the dynamics diverges.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the start is not possible for the network.

    Examples
    --------
    >>> net = TwoLayerNetwork(K=2, M=2, sigma=0.1)
    >>> from dmft.systems.two_layer.model import OrderParameters
    >>> start = OrderParameters([[0.6, 0.1], [0.1, 0.5]], [[0.3, 0.1], [0.0, 0.3]])
    >>> s = solve(net, 10.0, start=start, learning_rate=0.5, progress=False)
    >>> bool(s.success and s.eg[-1] < s.eg[0])
    True
    """
    request, running = asked(Request, how)
    return cast(TwoLayerSolution, execute(planned(net, t_end, request), running))


def resume(
    before: TwoLayerSolution, path: str | os.PathLike[str], t_end: float | None, **how: Any
) -> TwoLayerSolution:
    """Go on with a saved run; see :func:`dmft.resume`.

    Rates that are functions of time are needed once more to go beyond the end of their tables:
    ``learning_rate``, ``second_learning_rate``.
    """
    again, running = asked(Again, how)
    plan = continued(before, path, t_end, again)
    return cast(TwoLayerSolution, go_on(plan, running, before, path, ("eg",)))
