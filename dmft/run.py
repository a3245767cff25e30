"""`solve` and `resume`: from a model and a protocol to a solution.

(The module is not called `solve`: importing it would hide the function ``dmft.solve``.)
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from threadpoolctl import threadpool_limits

from dmft import checks, loop, storage, verification
from dmft.model import SpikedMixture
from dmft.plan import Options, Plan, continued, planned
from dmft.protocol import Protocol
from dmft.solution import Solution, Status, load
from dmft.solvers.base import Record, Stepper
from dmft.solvers.slices import Slices, compiled
from dmft.stop import OverlapReached, Progress, Stop, watch

__all__ = ["resume", "saved_as", "solve"]


def solve(
    model: SpikedMixture,
    t_end: float,
    *,
    m0: float | None = None,
    T: float | None = None,
    protocol: Protocol | None = None,
    method: str = "slices",
    tol: float | None = None,
    preset: str | None = None,
    step: float | None = None,
    options: Options | None = None,
    verify: bool = False,
    t_eval: ArrayLike | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    callback: Callable[[Progress], None] | None = None,
    stop: Stop | Iterable[Stop] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Solution:
    """Integrate the dynamics of `model` to `t_end` (arXiv:1907.08226).

    Parameters
    ----------
    model : SpikedMixture
        What is solved; :class:`dmft.SpikedMatrixTensor` is one.
    t_end : float
        Time to reach, > 0 (dimensionless).
    m0 : float, optional
        Overlap with the signal at t = 0, in [-1, 1]; required unless `protocol` is given.  0 means
        no spike.
    T : float, default 0
        Temperature: 0 is gradient flow, 1 is Langevin on the Bayes posterior.
    protocol : Protocol, optional
        Start, temperature, learning rate and loss as functions of time, instead of `m0` and `T`.
        When a stage that begins at an overlap begins is found by a run of its own.
    method : {"slices", "dense", "gradient_descent"}, default "slices"
        "slices": gradient flow or Langevin in continuous time, at a cost that grows like log t.
        "dense": the same at a cost of O(t^3), for t up to ~100; the reference of the tests.
        "gradient_descent": the exact theory of the discrete algorithm with step `step`.
    tol : float, optional
        Error aimed at for m, mu, e, C and R: absolute, relative for m while it is small and for mu
        and e where they are large.  In [1e-10, 0.1], "dense" [1e-12, 0.1]; 1e-6 unless the preset
        says otherwise.  "gradient_descent" is exact and takes none.
    preset : {"loose", "default", "tight"}, optional
        Tolerance and grid of "slices" for one purpose: sweeps, single runs, C at late times (see
        :class:`dmft.SlicesOptions`).
    step : float, optional
        Shorthand for ``options=GradientDescentOptions(step)``.
    options : SlicesOptions, DenseOptions or GradientDescentOptions, optional
        Further options of the method.
    verify : bool, default False
        Measure the errors: run again with ten times `tol` and larger steps ("slices" only).
    t_eval : array_like, shape (n,), optional
        Times in [0, t_end] that ``solution.at()`` without an argument is taken at; kept in the
        file.  Steps do not depend on it: ``solution.t`` has the accepted times.
    threads : int, optional
        Threads to use, >= 1 (default: all).  Results depend on it in the last bits.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.
    callback : callable, optional
        Called with a :class:`dmft.Progress` after each unit of work.
    stop : condition, callable, or several of them, optional
        :class:`dmft.OverlapReached`, :class:`dmft.Relaxed`, :class:`dmft.WallTime`, or a function
        of :class:`dmft.Progress`; the run ends with status STOPPED once one is met.
    checkpoint : path, optional
        File to which the run is saved while it lasts ("slices" only), whole each time; for
        :func:`dmft.resume` after the process was killed.
    checkpoint_every : float, default 60
        Seconds between two checkpoints, > 0.

    Returns
    -------
    Solution
        Also when the solver fails or Ctrl-C is pressed: see its `status` and `message`.  It then
        holds everything up to the time reached.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two of them contradict each other.

    Examples
    --------
    >>> model = SpikedMixture({2: 0.7, 3: 1.0})
    >>> s = solve(model, t_end=1.0, m0=0.1, tol=1e-4)
    >>> s.success
    True
    """
    if isinstance(protocol, Protocol) and protocol.open_stage is not None:
        how = {"method": method, "tol": tol, "preset": preset, "step": step, "options": options}
        protocol = _settled(model, t_end, protocol, progress, {**how, "threads": threads})
    plan = planned(
        model, t_end, m0, T, protocol, method, tol, preset, step, options, verify, t_eval
    )
    if checkpoint is not None and method != "slices":
        raise ValueError(f"checkpoint is for method 'slices' only, not for {method!r}")
    running = _Running(threads, progress, callback, stop, checkpoint, checkpoint_every)
    return _run(plan, plan.stepper, 0.0, running)


def resume(
    path: str | os.PathLike[str],
    t_end: float | None = None,
    *,
    protocol: Protocol | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    callback: Callable[[Progress], None] | None = None,
    stop: Stop | Iterable[Stop] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Solution:
    """Go on with a saved run or a checkpoint of method "slices".

    With the same number of threads the result is, bit for bit, that of a run which was never
    stopped.  The file is not changed.

    Parameters
    ----------
    path : path
        What :meth:`Solution.save` or `checkpoint` of :func:`solve` wrote.
    t_end : float, optional
        Time to reach; without it that of the run.
    protocol : Protocol, optional
        That of the run once more, with its functions of time.  The file has tables of them up to
        the run's `t_end`; to go beyond it they are needed again.
    stop : condition, callable, or several of them, optional
        As in :func:`solve`, given again.  Conditions are told the times of the run so far, with
        `seconds` and `work_done` 0; all are asked about the last of them first, and a run that had
        stopped there already is not continued.
    threads, progress, callback, checkpoint, checkpoint_every
        As in :func:`solve`.

    Returns
    -------
    Solution
        The whole run from t = 0.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    dmft.storage.FileError
        A ValueError: the file is no run, truncated, or cannot be continued.
    ValueError
        `t_end` does not lie beyond the time reached or lies beyond a function's table, `protocol`
        is not that of the run, or a parameter is out of its range.
    """
    before = load(path)
    plan = continued(before, path, t_end, protocol)

    def stepper() -> Stepper:
        new = plan.stepper()
        assert isinstance(new, Slices)
        try:
            new.resume(before.grid, before.state)  # type: ignore[arg-type]
        except ValueError as error:
            raise storage.FileError(f"{str(path)!r} cannot be continued: {error}") from error
        return new

    # So that conditions which compare with earlier times end the run where they would have.
    past = [
        Progress(float(t), float(m), float(mu), 0.0, 0.0)
        for t, m, mu in zip(before.t[1:], before.m[1:], before.mu[1:], strict=True)
    ]
    running = _Running(threads, progress, callback, stop, checkpoint, checkpoint_every, past)
    return _run(plan, stepper, float(before.stats.get("seconds", 0.0)), running)


def saved_as(solution: Solution, target: Path) -> None:
    """Save a run where it could be saved when it began.

    Raises
    ------
    OSError
        It can be no longer: the disk is full, the folder is gone.
    """
    try:
        solution.save(target, force=True)
    except storage.FileError as error:
        raise OSError(str(error)) from error


def _settled(
    model: SpikedMixture,
    t_end: float,
    protocol: Protocol,
    progress: bool | None,
    how: dict[str, Any],
) -> Protocol:
    """Return the protocol with the times at which its stages reach the overlaps they begin at."""
    while (k := protocol.open_stage) is not None:
        stage, stages = protocol.stages[k], list(protocol.stages)
        later = [s.start for s in stages[k + 1 :] if s.start is not None]
        trial = dataclasses.replace(protocol, stages=stages[:k])
        run = solve(
            model, min([checks.positive_number("t_end", t_end), *later]), protocol=trial,
            progress=progress, stop=OverlapReached(stage.overlap), **how,
        )  # fmt: skip
        if run.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        stages[k] = dataclasses.replace(stage, start=_reached(run, stage.overlap, k))
        protocol = dataclasses.replace(protocol, stages=stages)
    return protocol


def _reached(run: Solution, overlap: float, k: int) -> float:
    """Return when |m| reaches the overlap of stage k + 1: inf if it does not in this run."""
    there = np.flatnonzero(np.abs(run.m) >= overlap)
    if len(there) == 0:
        return math.inf
    i, begins = int(there[0]), [s.start for s in run.protocol.stages if s.start < math.inf]
    if run.t[i] <= max([0.0, *begins]):
        raise ValueError(
            f"overlap = {overlap:g} of stage {k + 1} is not allowed: m = {run.m[i]:.4g} at"
            f" t = {run.t[i]:g}, before the stage can begin"
        )
    gap = lambda t: abs(float(run.at(t).m)) - overlap  # noqa: E731
    low = max([float(run.t[i - 1]), *begins])
    return float(brentq(gap, low, run.t[i], xtol=1e-14 * float(run.t[i]), rtol=1e-15))


class _Running(NamedTuple):
    """What does not change the result of a run."""

    threads: int | None
    progress: bool | None
    callback: Callable[[Progress], None] | None
    stop: Stop | Iterable[Stop] | None
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float
    past: Sequence[Progress] = ()


def _run(
    plan: Plan, start: Callable[[], Stepper], seconds_before: float, running: _Running
) -> Solution:
    every = checks.positive_number("checkpoint_every", running.checkpoint_every)
    stop = watch(running.stop, running.past)
    target = None
    if running.checkpoint is not None:
        target = storage.check_target(running.checkpoint, force=True, name="checkpoint")
    with _threads(running.threads) as threads:
        if plan.method == "slices":
            with loop.announced(
                "loading the solver (compiled once, half a minute)", running.progress
            ):
                compiled()
        stepper = start()

        def save(seconds: float) -> None:
            if target is not None:
                so_far = Status.INTERRUPTED, f"checkpoint at t = {stepper.t:g}", seconds
                saved_as(_solution(plan, stepper.record(), so_far, seconds_before, threads), target)

        if running.past and (reason := stop(running.past[-1])):
            # The run had ended, and was cut short afterwards.
            ending = Status.STOPPED, f"stopped at t = {stepper.t:g}: {reason}", 0.0
        else:
            ending = loop.advance(
                stepper, plan.t_end, progress=running.progress, callback=running.callback,
                stop=stop, checkpoint=save, checkpoint_every=every,
            )  # fmt: skip
        record = stepper.record()
        if plan.verify and ending[0] in (Status.FINISHED, Status.STOPPED):
            save(ending[2])
            record, ending = _verified(plan, record, ending, running.progress)
    return _solution(plan, record, ending, seconds_before, threads)


def _verified(
    plan: Plan, record: Record, ending: loop.Ending, progress: bool | None
) -> tuple[Record, loop.Ending]:
    """Replace the estimated errors by the differences to a coarser run."""
    status, message, seconds = ending
    coarse_plan = plan.coarser()._replace(t_end=float(record.t[-1]))
    coarse = coarse_plan.stepper()
    second, sentence, more = loop.advance(
        coarse, coarse_plan.t_end, progress=progress, description="verifying "
    )
    if second is Status.INTERRUPTED:
        message = f"interrupted while verifying ({message})"
        if status is Status.STOPPED:
            message += "; resume with the same stop to verify it as it is"
        return record, (second, message, seconds + more)
    if second is not Status.FINISHED:
        message += f" (not verified: the coarser run was {sentence})"
        return record, (status, message, seconds + more)
    errors = verification.differences(record, coarse.record())
    stats = {**record.stats, "verifying_seconds": more}
    return dataclasses.replace(record, errors=errors, stats=stats), (status, message, seconds)


def _solution(
    plan: Plan, record: Record, ending: loop.Ending, seconds_before: float, threads: int
) -> Solution:
    status, message, seconds = ending
    message += _missed(record, plan, message) + (f"; {plan.note}" if plan.note else "")
    return Solution(
        model=plan.model, protocol=plan.protocol, method=plan.method, t=record.t, m=record.m,
        mu=record.mu, e_p=record.e_p, grid=record.grid, status=status, message=message,
        errors=record.errors, stats={**record.stats, "seconds": seconds_before + seconds},
        provenance=plan.provenance(threads), state=record.state,
    )  # fmt: skip


@contextmanager
def _threads(threads: int | None) -> Iterator[int]:
    """Limit the threads of numba and of the linear algebra; yield their number."""
    available = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads is None:
        yield int(numba.get_num_threads())
        return
    number = min(checks.integer("threads", threads, low=1), available)
    before = numba.get_num_threads()
    numba.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield number
    finally:
        numba.set_num_threads(before)


def _missed(record: Record, plan: Plan, message: str) -> str:
    """Say it where the error estimate of what was reached misses tol."""
    tol = plan.tol
    if tol is None or "misses tol" in message:
        return ""
    # mu and e are meant relative to their size where they are large.
    size = max(1.0, float(np.max(np.abs(record.mu))))
    known = {
        name: error / size if name in ("mu", "e") else error
        for name, error in record.errors.items()
        if not math.isnan(error)
    }
    if not known or max(known.values()) <= tol:
        return ""
    worst = max(known, key=lambda name: known[name])
    hint = "; verify measures it" if plan.method == "slices" and not plan.verify else ""
    return (
        f" (the error estimate of {worst}, {record.errors[worst]:.1e}, misses tol = {tol:g}{hint})"
    )
