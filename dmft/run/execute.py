"""The one way a run of any system is done: threads, checkpoints, conditions, verification."""

from __future__ import annotations

import difflib
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from dmft import checks, storage
from dmft import threads as kernel_threads
from dmft.run import loop
from dmft.run.contract import Method, Plan, Record, Solver
from dmft.run.stop import Progress, Stop, watch
from dmft.run.told import LOG
from dmft.run.warned import CheckpointWarning
from dmft.solution import Solution, Status, saved_as

__all__ = ["Running", "asked", "execute", "go_on", "limited_threads"]


@dataclass(frozen=True, kw_only=True)
class Running:
    """What a user says of a run that does not change its result.

    Attributes
    ----------
    threads : int, optional
        Threads to use, >= 1; all unless given.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.
    callback : callable, optional
        Called with a :class:`dmft.Progress` after each unit of work.
    stop : condition, callable, or several of them, optional
        The run ends with status STOPPED once one is met.
    checkpoint : path, optional
        File to which the run is saved while it lasts, whole each time.
    checkpoint_every : float
        Seconds between two checkpoints, > 0.
    past : sequence of Progress
        The part of the run that was done before.
    """

    threads: int | None = None
    progress: bool | None = None
    callback: Callable[[Progress], None] | None = None
    stop: Stop | Iterable[Stop] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: float = 60.0
    past: Sequence[Progress] = ()


Request = TypeVar("Request")


def asked(kind: type[Request], how: Mapping[str, Any]) -> tuple[Request, Running]:
    """Sort the arguments of `solve`: what is asked for, a `kind`, and how it is to be run.

    Raises
    ------
    TypeError
        An argument is neither.
    """
    running = [field.name for field in fields(Running) if field.name != "past"]
    request = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in how:
        if name not in (*request, *running):
            near = difflib.get_close_matches(name, (*request, *running), 1)
            known = f"there are {', '.join((*request, *running))}"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise TypeError(f"unknown argument {name!r}: {hint}")
    what = {name: value for name, value in how.items() if name in request}
    return kind(**what), Running(**{k: v for k, v in how.items() if k in running})


def execute(
    plan: Plan,
    running: Running,
    begin: Callable[[], Solver] | None = None,
    seconds_before: float = 0.0,
) -> Solution:
    """Do a run: from t = 0, or from where `begin` says.

    Raises
    ------
    ValueError
        A parameter of `running` is out of its range, or the method keeps no checkpoints.
    """
    every = checks.positive_number("checkpoint_every", running.checkpoint_every)
    stop = watch(running.stop, running.past)
    checkpoints = _Checkpoints(_checkpoint(plan.method, running.checkpoint))
    with limited_threads(running.threads) as threads:

        def solution(record: Record, ending: loop.Ending) -> Solution:
            ending = ending._replace(seconds=seconds_before + ending.seconds)
            found: Solution = plan.solution(record, ending)
            return replace(found, provenance={**found.provenance, "threads": threads})

        with loop.announced("loading the solver (compiled once, half a minute)", running.progress):
            plan.method.prepare()
        solver = (begin or plan.start)()

        def save(seconds: float) -> None:
            sentence = f"checkpoint at t = {solver.t:g}"
            so_far = loop.Ending(Status.INTERRUPTED, sentence, seconds)
            checkpoints.save(lambda: solution(solver.record(), so_far))

        if running.past and (reason := stop(running.past[-1])):
            # The run had ended, and was cut short afterwards.
            sentence = f"stopped at t = {solver.t:g}: {reason}"
            ending = loop.Ending(Status.STOPPED, sentence, 0.0)
        else:
            watching = loop.Watching(running.progress, running.callback, stop, save, every)
            ending = loop.advance(solver, plan.t_end, watching)
        record = solver.record()
        if plan.verify and ending.status in (Status.FINISHED, Status.STOPPED):
            save(ending.seconds)
            record, ending = _verified(plan, record, ending, running.progress)
        if ending.signal == signal.SIGTERM:
            # Ctrl-C ends this run, and the caller decides what comes next.  SIGTERM ends the
            # process: once the run is saved the signal acts as it would have.
            save(ending.seconds)
            signal.raise_signal(signal.SIGTERM)
    return solution(record, ending)


def go_on(
    plan: Plan,
    running: Running,
    before: Solution,
    path: str | os.PathLike[str],
    watched: Iterable[str],
    restore: Callable[[Solver], None] | None = None,
) -> Solution:
    """Go on with a run that was saved to `path`.

    `watched` are the series that conditions compare with earlier times: so they end the run where
    they would have ended it.  `restore` brings a new solver to where the run ended; without it
    `plan.start()` begins there.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: what the file holds of the solver is not what the solver needs.
    """

    def begin() -> Solver:
        solver = plan.start()
        if restore is not None:
            try:
                restore(solver)
            except (LookupError, TypeError, ValueError) as error:
                raise storage.FileError(f"{str(path)!r} cannot be continued: {error}") from error
        return solver

    values = {name: before.series[name][1:].tolist() for name in watched}
    past = [
        Progress(t, dict(zip(values, row, strict=True)), 0.0, 0.0)
        for t, *row in zip(before.t[1:].tolist(), *values.values(), strict=True)
    ]
    seconds = float(before.stats.get("seconds", 0.0))
    return execute(plan, replace(running, past=past), begin, seconds)


class _Checkpoints:
    """The file of checkpoints of a run, if there is one."""

    def __init__(self, target: Path | None) -> None:
        self.target, self.warned = target, False

    def save(self, run: Callable[[], Solution]) -> None:
        """Save what was reached; a run of days does not end because a disk is full for an hour."""
        if self.target is None:
            return
        try:
            saved_as(run(), self.target)
        except OSError as error:
            if not self.warned:
                sentence = f"no checkpoint could be written, and the run goes on without: {error}"
                warnings.warn(sentence, CheckpointWarning, stacklevel=2)
            self.warned = True


def _checkpoint(method: Method, path: str | os.PathLike[str] | None) -> Path | None:
    """Return the file of checkpoints, checked; None: none are kept."""
    if path is None:
        return None
    if not method.resumable:
        raise ValueError(
            f"checkpoint is not for method {method.name!r}: it cannot go on from a file"
        )
    return storage.check_target(path, force=True, name="checkpoint")


def _verified(
    plan: Plan, record: Record, ending: loop.Ending, progress: bool | None
) -> tuple[Record, loop.Ending]:
    """Replace the estimated errors by the differences to a coarser run."""
    coarse_plan = plan.coarser().to(float(record.t[-1]))
    coarse = coarse_plan.start()
    watching = loop.Watching(progress, description="verifying ")
    second = loop.advance(coarse, coarse_plan.t_end, watching)
    message, seconds = ending.message, ending.seconds + second.seconds
    if second.status is Status.INTERRUPTED:
        message = f"interrupted while verifying ({message})"
        if ending.status is Status.STOPPED:
            message += "; resume with the same stop to verify it as it is"
        return record, loop.Ending(second.status, message, seconds, second.signal)
    if second.status is not Status.FINISHED:
        message += f" (not verified: the coarser run was {second.message})"
        return record, loop.Ending(ending.status, message, seconds)
    errors = plan.differences(record, coarse.record())
    stats = {**record.stats, "verifying_seconds": second.seconds}
    return replace(record, errors=errors, stats=stats), ending


@contextmanager
def limited_threads(threads: int | None) -> Iterator[int]:
    """Set the threads of the compiled kernels, hold the linear algebra to one; yield their number.

    Raises
    ------
    ValueError
        The number is not a positive integer.
    """
    number = kernel_threads.current()
    if threads is not None:
        number = checks.integer("threads", threads, low=1)
        if number > kernel_threads.available():
            LOG.warning(
                "threads = %d: not more than %d can be had here",
                number,
                kernel_threads.available(),
            )
    with kernel_threads.using(number) as used, kernel_threads.one_for_blas():
        yield used
