"""The only time loop: a solver, joined with progress, callback, stop, Ctrl-C and checkpoints."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dmft.run.contract import Solver
from dmft.run.stop import Progress
from dmft.run.told import Heartbeat, Meter, compiling_logged, hidden
from dmft.solution import Status

__all__ = ["Ending", "Watching", "advance", "announced"]


class Ending(NamedTuple):
    """How a run ended: status, a sentence, seconds of wall time, the signal that interrupted it."""

    status: Status
    message: str
    seconds: float
    signal: int | None = None


class Watching(NamedTuple):
    """What is done between two units of work; none of it changes the result.

    Attributes
    ----------
    progress : bool, optional
        Show a progress bar; None: when stderr is a terminal.
    callback : callable, optional
        Called with a Progress after each unit of work.
    stop : callable
        Asked after each unit of work: a sentence to stop, "" to go on.
    checkpoint : callable
        Called with the seconds used, `checkpoint_every` seconds apart.
    checkpoint_every : float
        Seconds.
    description : str
        Stands before the progress bar.
    """

    progress: bool | None = None
    callback: Callable[[Progress], None] | None = None
    stop: Callable[[Progress], str] = lambda now: ""
    checkpoint: Callable[[float], None] = lambda seconds: None
    checkpoint_every: float = 60.0
    description: str = ""


def advance(solver: Solver, t_end: float, watching: Watching) -> Ending:
    """Advance until t_end, a stop condition, a failure or Ctrl-C."""
    began = saved = time.perf_counter()
    restarts: list[str] = []
    heartbeat = Heartbeat()
    with _interrupts() as pressed, _bar(watching) as bar:
        while not solver.finished:
            result = solver.advance()
            clock = time.perf_counter()
            now = Progress(solver.t, solver.values, solver.work_done, clock - began)
            _show(bar, now)
            if bar.disable:
                heartbeat(now)
            if not result.ok:
                message = f"failed at t = {now.t:g}: {result.message}"
                return Ending(Status.FAILED, message, now.seconds)
            if result.message:
                restarts.append(result.message)
            if watching.callback is not None:
                watching.callback(now)
            if solver.finished:
                break
            if pressed:
                message = f"interrupted at t = {now.t:g}"
                return Ending(Status.INTERRUPTED, message, now.seconds, pressed[0])
            if reason := watching.stop(now):
                return Ending(Status.STOPPED, f"stopped at t = {now.t:g}: {reason}", now.seconds)
            if clock - saved >= watching.checkpoint_every:
                watching.checkpoint(now.seconds)
                saved = time.perf_counter()
        seconds = time.perf_counter() - began
    return Ending(Status.FINISHED, _reached(solver.t, t_end, restarts), seconds)


def _reached(t: float, t_end: float, restarts: list[str]) -> str:
    """Return the sentence about a run that reached its end."""
    message = f"reached t = {t_end:g}"
    if t > t_end * (1 + 1e-12):
        message = f"reached t = {t:g}, the first step beyond t_end = {t_end:g}"
    return f"{message} ({restarts[-1]})" if restarts else message


def _show(bar: Any, now: Progress) -> None:
    values = " ".join(f"{name}={value:.6g}" for name, value in now.values.items())
    bar.n = 100.0 * now.work_done
    bar.set_postfix_str(f"t={now.t:.4g} {values}", refresh=False)
    bar.update(0)


@contextmanager
def announced(sentence: str, progress: bool | None) -> Iterator[None]:
    """Show a sentence while something without a measure of progress is under way.

    Ctrl-C ends it with KeyboardInterrupt; inside numba it comes out as another error.
    """
    with Meter(disable=hidden(progress), bar_format="{desc}", leave=False, desc=sentence) as bar:
        try:
            with compiling_logged(progress is None and bar.disable):
                yield
        except SystemError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, KeyboardInterrupt):
                cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
            raise cause from None


@contextmanager
def _bar(watching: Watching) -> Iterator[Any]:
    layout = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    with Meter(
        total=100.0,
        disable=hidden(watching.progress),
        bar_format=layout,
        leave=False,
        desc=watching.description,
    ) as bar:
        yield bar


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Note Ctrl-C and SIGTERM in a list, so that the run ends between two units of work.

    A second one acts as usual.  Signals reach the main thread only; elsewhere nothing is changed.
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    # None: a handler that was not installed from Python.
    before = {
        number: signal.getsignal(number) or signal.SIG_DFL
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def handler(number: int, _frame: Any) -> None:
        pressed.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handler)
    try:
        yield pressed
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
