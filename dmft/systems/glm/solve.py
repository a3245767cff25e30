"""`solve` and `resume` of generalized linear models."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, cast

from dmft.run.contract import Solver
from dmft.run.execute import asked, execute, go_on
from dmft.systems.glm.descent import Replayed
from dmft.systems.glm.model import Model
from dmft.systems.glm.plan import Request, continued, planned
from dmft.systems.glm.solution import GlmSolution

__all__ = ["resume", "solve"]


def solve(model: Model, t_end: float, **how: Any) -> GlmSolution:
    """Run an algorithm on `model` up to `t_end`: its exact mean-field theory.

    ``w^{n+1} = w^n - step grad L(w^n) + sqrt(2 T step) xi``, with the ridge in L, or scaled back
    onto |w|^2 = N (arXiv:2006.06997; arXiv:2006.06098).  The theory is that of the discrete steps:
    nothing but the sampling of the effective process is approximate.

    Parameters
    ----------
    model : PhaseRetrieval, GaussianMixture, LinearRegression or GeneralizedLinear
        What is trained.
    t_end : float
        Time to reach, > 0; t = step times the number of steps; the last step of "flow" may end
        beyond it.
    m0 : float
        Overlap w.w*/N at t = 0 (mixture: w.v/N).
    q0 : float, default 1
        |w|^2/N at t = 0, >= m0^2; 1 on the sphere.
    method : {"steps", "flow"}, default "steps"
        "steps": the algorithm.  "flow": gradient flow, by steps that grow like t.
    step, learning_rate, T, batch, persistence
        Of "steps": see :class:`dmft.systems.glm.options.StepOptions`.
    step, growth, margin
        Of "flow": see :class:`dmft.systems.glm.options.FlowOptions`.
    paths, response_paths, response_stride, replicas, seed, memory
        See :class:`dmft.systems.glm.options.SamplingOptions`.
    verify : bool, optional
        Of "flow", True unless given: add what a run with steps twice as long changes to the
        errors, which are statistical otherwise.
    t_eval : array_like, shape (n,), optional
        Times that ``solution.at()`` without an argument is taken at.
    threads, progress, callback, stop, checkpoint, checkpoint_every
        As in :func:`dmft.solve`.

    Returns
    -------
    GlmSolution

    Raises
    ------
    ValueError
        A parameter is missing or out of its range, the paths do not fit into memory, or the loss
        gives no finite number.
    TypeError
        An argument is not known.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.LinearRegression(alpha=2.0, noise=0.5, ridge=0.3)
    >>> s = dmft.solve(model, t_end=6.0, m0=0.2, step=0.05, paths=512, progress=False)
    >>> round(float(s.m[-1]), 6)
    0.798893
    """
    request, running = asked(Request, how)
    return cast(GlmSolution, execute(planned(model, t_end, request), running))


@dataclass(frozen=True, kw_only=True)
class _Again:
    """What :func:`dmft.resume` may be asked for: a user's model, whose functions no file holds."""

    model: Any = None


def resume(
    before: GlmSolution, path: str | os.PathLike[str], t_end: float | None, **how: Any
) -> GlmSolution:
    """Go on with a saved run, whose steps are taken again first; see :func:`dmft.resume`."""
    request, running = asked(_Again, how)
    plan = continued(before, path, t_end, request.model)

    def restore(new: Solver) -> None:
        assert isinstance(new, Replayed)
        new.replay(before.state)

    watched = ("m", "q", "train_loss")
    return cast(GlmSolution, go_on(plan, running, before, path, watched, restore))
