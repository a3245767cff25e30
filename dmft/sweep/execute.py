"""Doing the runs of a sweep: on any executor, each once, whatever dies on the way."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import Timeout

from dmft import checks
from dmft.run import loop
from dmft.run.job import Job
from dmft.run.stop import Progress
from dmft.run.told import LOG, Meter, hidden, remark
from dmft.solution import Status
from dmft.sweep.executors import TRIES, Maker, at_work, interrupted
from dmft.sweep.folder import Folder, Line, digest

__all__ = ["Outcome", "execute"]

WATCH_SECONDS = 0.5
TELL_SECONDS = 1.0
LOG_SECONDS = 60.0
BUSY, INTERRUPTED = "busy", "interrupted"


class Outcome(NamedTuple):
    """What a sweep came to.

    Attributes
    ----------
    done : int
        Runs that are finished, now or before.
    new : int
        Runs that were done now.
    failed : list of Line
        Runs that failed, with their sentence.
    interrupted : bool
        Whether runs were cut short.
    """

    done: int
    new: int
    failed: list[Line]
    interrupted: bool


def execute(
    jobs: Sequence[Job],
    folder: Folder,
    executor: Maker | None = None,
    *,
    threads: int = 1,
    progress: bool | None = None,
) -> Outcome:
    """Do what is missing or failed; return when nothing is left that could be done.

    Parameters
    ----------
    jobs : sequence of Job
        The runs, each once.
    folder : Folder
        Where they are kept; :meth:`Folder.prepare` was called.
    executor : callable, optional
        Makes an executor as a context; called again when one breaks.  Without it all is done in
        this process.
    threads : int, default 1
        Threads of each run.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    threads = checks.integer("threads", threads, low=1)
    folder.mend()
    lines = folder.lines()
    left, done = [], 0
    for job in jobs:
        if folder.finished(job.name, lines.get(job.name)) is None:
            left.append(job)
        else:
            done += 1
    if done and left:
        remark(f"{done} of {len(jobs)} runs are done, {len(left)} to go.", progress)
    # Once, for all processes load what is compiled from numba's cache.
    with loop.announced("loading the solver (compiled once, half a minute)", progress):
        for method in {job.how.name: job.how for job in left}.values():
            method.prepare()
    ended: dict[str, Line] = {}
    with Meter(
        total=len(jobs), initial=done, unit="run", disable=hidden(progress),
        bar_format="{l_bar}{bar}| {n:.2f}/{total} [{elapsed}<{remaining}{postfix}]",
    ) as bar:  # fmt: skip
        _passes(left, folder, executor, threads, ended, _Watch(bar, folder, done))
    failed = [line for line in ended.values() if line.status == "failed"]
    new = sum(line.done for line in ended.values())
    cut_short = len(ended) < len(left) or any(line.status == INTERRUPTED for line in ended.values())
    return Outcome(done + new, new, failed, cut_short)


def _passes(
    left: Sequence[Job],
    folder: Folder,
    executor: Maker | None,
    threads: int,
    ended: dict[str, Line],
    watch: _Watch,
) -> None:
    """Try all jobs until each has ended, was interrupted, or its process died too often.

    A run whose process died waits until the others are done and then has the executor to itself:
    one that always dies (out of memory) takes no other with it.
    """
    deaths: Counter[str] = Counter()
    stalled = 0
    # Runs that another process is doing are waited for after the first pass.
    patient = False
    while todo := [j for j in left if j.name not in ended and deaths[j.name] < TRIES]:
        batch = [job for job in todo if not deaths[job.name]] or todo[:1]
        for job in batch:
            folder.forget(job.name)
        once = _Pass(folder, threads, patient, ended, watch)
        broken = once.here(batch) if executor is None else once.on(executor, batch)
        patient = True
        if any(line.status == INTERRUPTED for line in ended.values()):
            return
        if broken:
            begun = [j.name for j in batch if j.name not in ended and folder.begun(j.name)]
            deaths.update(begun)
            # No process lives long enough to begin a run: that is not the runs' fault.
            stalled = 0 if begun else stalled + 1
            if stalled >= TRIES:
                break
    for job in left:
        if job.name not in ended:
            line = Line(
                job.name, "failed", f"its process died, {TRIES} times", 0.0, "", job.parameters
            )
            folder.add(line)
            ended[job.name] = line


class _Watch:
    """Shows finished runs, and the parts of those under way; without a bar in the log."""

    def __init__(self, bar: Any, folder: Folder, done: int) -> None:
        self.bar, self.folder, self.done, self.failed = bar, folder, done, 0
        self.logged = time.monotonic()

    def show(self, running: Sequence[str]) -> None:
        if self.bar.disable:
            self._log(running)
            return
        self.bar.n = self.done + sum(self.folder.told(name) for name in running)
        if self.failed:
            self.bar.set_postfix_str(f"{self.failed} failed", refresh=False)
        self.bar.refresh()

    def _log(self, running: Sequence[str]) -> None:
        """Log a line each minute."""
        if time.monotonic() - self.logged < LOG_SECONDS:
            return
        self.logged = time.monotonic()
        parts = [part for name in running if 0.0 < (part := self.folder.told(name)) < 1.0]
        LOG.info(
            "%d of %d runs are done, %d failed; %d under way, on average %.0f %% done",
            self.done, self.bar.total, self.failed, len(parts),
            100.0 * sum(parts) / max(1, len(parts)),
        )  # fmt: skip


class _Pass(NamedTuple):
    """What one try of each job needs, and where it notes how they ended."""

    folder: Folder
    threads: int
    patient: bool
    ended: dict[str, Line]
    watch: _Watch

    def note(self, line: Line) -> None:
        """Note how a run ended; one that another sweep does is left to it."""
        if line.status == BUSY:
            return
        self.ended[line.name] = line
        if line.status == INTERRUPTED:
            return
        self.folder.add(line)
        self.watch.done += 1
        self.watch.failed += line.status == "failed"

    def here(self, todo: Sequence[Job]) -> bool:
        """Do the jobs one after the other in this process, which does not die: return False."""
        interrupted.clear()
        for job in todo:
            line = do(job, self.folder.path, self.threads, self.patient)
            self.note(line)
            self.watch.show([])
            if line.status == INTERRUPTED:
                break
        return False

    def on(self, executor: Maker, todo: Sequence[Job]) -> bool:
        """Do the jobs on workers; return whether a process died."""
        # Absolute: workers of a cluster may stand in another directory.
        path = self.folder.path.absolute()
        with executor() as pool:
            waiting: dict[Future[Line], Job] = {}
            try:
                for job in todo:
                    waiting[pool.submit(do, job, path, self.threads, self.patient)] = job
                return self._watched(waiting)
            except BrokenExecutor:
                return True
            except KeyboardInterrupt:
                self._cut_short(waiting, todo)
        return False

    def _watched(self, waiting: dict[Future[Line], Job]) -> bool:
        """Note results as they come; return whether a process died."""
        broken = False
        while waiting:
            ready, _ = wait(waiting, WATCH_SECONDS, FIRST_COMPLETED)
            for future in ready:
                came, died = _line(waiting.pop(future), future)
                broken = broken or died
                if came is not None:
                    self.note(came)
            self.watch.show([job.name for job in waiting.values()])
            if any(line.status == INTERRUPTED for line in self.ended.values()):
                raise KeyboardInterrupt
        return broken

    def _cut_short(self, waiting: Mapping[Future[Line], Job], todo: Sequence[Job]) -> None:
        """Begin no more runs; those under way save their checkpoint and end."""
        for future in waiting:
            future.cancel()
        for future, job in waiting.items():
            if not future.cancelled():
                self.note(_line(job, future)[0] or _cut(job))
        for job in todo:
            self.ended.setdefault(job.name, _cut(job))


def _cut(job: Job) -> Line:
    return Line(job.name, INTERRUPTED, "interrupted", 0.0, "", job.parameters)


def _line(job: Job, future: Future[Line]) -> tuple[Line | None, bool]:
    """Return how a run ended, if it did, and whether its process died."""
    try:
        return future.result(), False
    except BrokenExecutor:
        return None, True
    except Exception as error:
        # A Dask worker that died too often, or what the executor itself cannot do.
        if type(error).__name__ == "KilledWorker":
            return None, True
        sentence = f"{type(error).__name__}: {error}"
        return Line(job.name, "failed", sentence, 0.0, "", job.parameters), False


def do(job: Job, path: Path, threads: int, patient: bool) -> Line:
    """Do a run, in whatever process; return how it ended.

    Parameters
    ----------
    job : Job
        The run.
    path : Path
        Folder of the sweep.
    threads : int
        Threads to use.
    patient : bool
        Wait for another process that does this run, until it is done or Ctrl-C.
    """
    folder, name, began = Folder(path), job.name, time.monotonic()
    try:
        while not interrupted.is_set():
            wait_for = WATCH_SECONDS if patient else 0.0
            with at_work(name), suppress(Timeout), folder.lock(name, wait_for):
                line = folder.finished(name, folder.lines().get(name))
                if line is None:
                    folder.tell(name, 0.0)
                    line = _run(job, folder, threads)
                return line
            if not patient:
                return Line(name, BUSY, "another process does it", 0.0, "", job.parameters)
        return _cut(job)
    except (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError, ValueError) as error:
        sentence = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - began
        return Line(name, "failed", sentence, seconds, "", job.parameters)


def _run(job: Job, folder: Folder, threads: int) -> Line:
    name, told = job.name, [0.0]

    def tell(now: Progress) -> None:
        # A signal that came after this run was chosen and before its time loop listened to signals
        # has only set the event: it is raised again for the loop.
        if interrupted.is_set() and threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        if time.monotonic() - told[0] > TELL_SECONDS:
            folder.tell(name, now.work_done)
            told[0] = time.monotonic()

    solution = job.do(folder.checkpoint(name), threads=threads, callback=tell)
    seconds = float(solution.stats["seconds"])
    if solution.status is Status.INTERRUPTED:
        interrupted.set()
        if solution.state:
            solution.save(folder.checkpoint(name), force=True)
        return Line(name, INTERRUPTED, solution.message, seconds, "", job.parameters)
    solution.save(folder.run(name), force=True)
    folder.clear(name)
    sha256 = digest(folder.run(name))
    return Line(name, solution.status.value, solution.message, seconds, sha256, job.parameters)
