"""The only time loop: a stepper, joined with progress, callback, stop, Ctrl-C and checkpoints."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from dmft.solution import Status
from dmft.solvers.base import Stepper
from dmft.stop import Progress

__all__ = ["Ending", "advance", "announced"]

Ending = tuple[Status, str, float]


def advance(
    stepper: Stepper,
    t_end: float,
    *,
    progress: bool | None = None,
    callback: Callable[[Progress], None] | None = None,
    stop: Callable[[Progress], str] = lambda now: "",
    checkpoint: Callable[[float], None] = lambda seconds: None,
    checkpoint_every: float = 60.0,
    description: str = "",
) -> Ending:
    """Advance until t_end, a stop condition, a failure or Ctrl-C; return status, sentence, seconds.

    `checkpoint(seconds used)` is called between two units of work, `checkpoint_every` seconds
    apart.
    """
    began = saved = time.perf_counter()
    with _interrupts() as pressed, _bar(progress, description) as bar:
        while not stepper.finished:
            outcome = stepper.advance()
            clock = time.perf_counter()
            now = Progress(stepper.t, stepper.m, stepper.mu, stepper.work_done, clock - began)
            bar.n = 100.0 * now.work_done
            bar.set_postfix_str(f"t={now.t:.4g} m={now.m:.4g} mu={now.mu:.6g}", refresh=False)
            bar.update(0)
            if not outcome.ok:
                return Status.FAILED, f"failed at t = {now.t:g}: {outcome.message}", now.seconds
            if callback is not None:
                callback(now)
            if stepper.finished:
                break
            if pressed.is_set():
                return Status.INTERRUPTED, f"interrupted at t = {now.t:g}", now.seconds
            if reason := stop(now):
                return Status.STOPPED, f"stopped at t = {now.t:g}: {reason}", now.seconds
            if clock - saved >= checkpoint_every:
                checkpoint(now.seconds)
                saved = time.perf_counter()
        seconds = time.perf_counter() - began
        beyond = "" if stepper.t <= t_end * (1 + 1e-12) else f", the last step at t = {stepper.t:g}"
    return Status.FINISHED, f"reached t = {t_end:g}{beyond}", seconds


@contextmanager
def announced(sentence: str, progress: bool | None) -> Iterator[None]:
    """Show a sentence while something without a measure of progress is under way.

    Ctrl-C ends it with KeyboardInterrupt; inside numba it comes out as another error.
    """
    disable = None if progress is None else not progress
    with tqdm(disable=disable, bar_format="{desc}", leave=False, desc=sentence):
        try:
            yield
        except SystemError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, KeyboardInterrupt):
                cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
            raise cause from None


@contextmanager
def _bar(progress: bool | None, description: str) -> Iterator[Any]:
    # disable=None: tqdm stays silent when stderr is no terminal.
    disable = None if progress is None else not progress
    layout = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(
        total=100.0, disable=disable, bar_format=layout, leave=False, desc=description
    ) as bar:
        yield bar


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event, so that the run ends between two units of work.

    A second one acts as usual.  Signals reach the main thread only; elsewhere nothing is changed.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    # None: a handler that was not installed from Python.
    before = {
        number: signal.getsignal(number) or signal.SIG_DFL
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def handler(number: int, _frame: Any) -> None:
        pressed.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handler)
    try:
        yield pressed
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
