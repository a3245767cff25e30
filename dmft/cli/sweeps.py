"""Commands of many runs: sweep, collect."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from dmft.arguments import FAILED, INTERRUPTED, OK, Force, Whole, check_products, say

if TYPE_CHECKING:
    from dmft.run.job import Job
    from dmft.sweep import Outcome
    from dmft.sweep.executors import Maker

__all__ = ["collect", "sweep"]

# Sentences of failed runs that are printed.
MOST_FAILURES = 10


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the runs are done.

    Parameters
    ----------
    workers
        Processes on this machine; one for each core unless given.
    threads
        Threads of each run; the cores divided by the workers unless given.
    scheduler
        Address of a Dask scheduler, tcp://host:port: the runs are done by its workers.
    dask_local
        Number of workers of a Dask cluster on this machine.
    scheduler_timeout
        Seconds to wait for the scheduler.
    """

    workers: Whole | None = None
    threads: Whole | None = None
    scheduler: str | None = None
    dask_local: Whole | None = None
    scheduler_timeout: float = 10.0

    @property
    def on_dask(self) -> bool:
        """Whether a Dask cluster does the runs."""
        return (self.scheduler, self.dask_local) != (None, None)

    def checked(self) -> Numbers:
        """Return the numbers that hold, or raise ValueError."""
        from dmft import checks
        from dmft.run.told import LOG
        from dmft.sweep.executors import available_cores
        from dmft.threads import available

        if self.scheduler is not None and self.dask_local is not None:
            raise ValueError("give --scheduler or --dask-local, not both")
        if self.scheduler is not None and ":" not in self.scheduler:
            raise ValueError(
                f"scheduler = {self.scheduler!r} is not allowed: it must look like tcp://host:port"
            )
        if self.workers is not None and self.on_dask:
            raise ValueError("--workers is for processes: without --scheduler, --dask-local")
        cores = available_cores()
        name, given = ("workers", self.workers)
        if self.dask_local is not None:
            name, given = ("dask_local", self.dask_local)
        workers = checks.integer(name, cores if given is None else given, low=1, high=4096)
        timeout = checks.positive_number("scheduler_timeout", self.scheduler_timeout)
        threads, most = self.threads, min(cores, available())
        if threads is None:
            threads = 1 if self.scheduler is not None else max(1, most // workers)
        threads = checks.integer("threads", threads, low=1)
        if threads > most and self.scheduler is None:
            LOG.warning("threads = %d: not more than %d can be had here", threads, most)
            threads = most  # which no run says again
        return Numbers(workers, threads, timeout)


class Numbers(NamedTuple):
    """Workers, threads of each run, seconds to wait for the scheduler."""

    workers: int
    threads: int
    timeout: float


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Part:
    """Which runs are done.

    Parameters
    ----------
    index
        Do only one run, number 0, 1, ... of the recipe: for array jobs, in this process.
    of
        With index: do the runs index, index + of, index + 2 of, ...
    """

    index: Whole | None = None
    of: Whole | None = None

    def chosen(self, jobs: list[Job]) -> list[Job]:
        """Return the runs to do, or raise ValueError."""
        from dmft import checks

        if self.index is None:
            if self.of is not None:
                raise ValueError("--of goes with --index")
            return jobs
        if self.of is None:
            return [jobs[checks.integer("index", self.index, low=0, high=len(jobs) - 1)]]
        of = checks.integer("of", self.of, low=1)
        return jobs[checks.integer("index", self.index, low=0, high=of - 1) :: of]


PLACE, WHOLE = Place(), Part()


def sweep(
    recipe: Path,
    /,
    *,
    output: Path,
    place: Place = PLACE,
    part: Part = WHOLE,
    yes: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Do all runs of a recipe; called again it does what is missing or failed.

    Parameters
    ----------
    recipe
        TOML file with the tables model, run and axes; see "Sweeps" in the documentation.
    output
        Folder of the runs: a NetCDF file for each, and manifest.jsonl.
    yes
        Begin even if there are very many runs.
    """
    from dmft.sweep import Folder, execute, read
    from dmft.sweep.executors import dask, processes
    from dmft.sweep.recipe import MANY

    numbers = place.checked()
    if part.index is not None and (place.on_dask or place.workers is not None):
        raise ValueError("--index is for one process: without --workers, --scheduler, --dask-local")
    found = read(recipe)
    if found.number > MANY and not yes:
        raise ValueError(
            f"sweep = {str(recipe)!r} has {found.number} runs: add --yes if you mean it"
        )
    everything = found.jobs()
    jobs = part.chosen(everything)
    folder = Folder(output)
    folder.check()
    with _sigterm_as_ctrl_c(), ExitStack() as stack:
        maker: Maker | None = None
        if place.on_dask:
            maker = stack.enter_context(dask(place.scheduler, numbers.workers, numbers.timeout))
        elif part.index is None:
            maker = partial(processes, min(numbers.workers, len(jobs)))
        folder.prepare()
        folder.expect([job.name for job in everything])
        return _told(execute(jobs, folder, maker, threads=numbers.threads), jobs, output)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, which batch systems send before they kill, end a sweep as Ctrl-C does.

    A terminal sends Ctrl-C to all processes of a command, but SIGTERM may reach the first one
    alone, so that it passes it on.  Without this the semaphores of the processes would leak.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def act(*_: Any) -> None:
        for child in active_children():
            if child.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGINT)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, act)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(outcome: Outcome, jobs: list[Job], output: Path) -> int:
    """Say what a sweep came to and return the exit status."""
    print(f"{outcome.done} of {len(jobs)} runs are done, {outcome.new} of them now: {output}")
    for line in outcome.failed[:MOST_FAILURES]:
        print(f"failed      {line.name}: {line.message}")
    if len(outcome.failed) > MOST_FAILURES:
        print(f"            and {len(outcome.failed) - MOST_FAILURES} more: see manifest.jsonl")
    if outcome.interrupted:
        return say("interrupted: the same command goes on where it was", INTERRUPTED)
    if outcome.failed:
        return say(f"{len(outcome.failed)} runs failed; the same command tries them again", FAILED)
    return OK


def collect(
    runs: Path,
    /,
    *,
    output: Path,
    times: str | None = None,
    escape: float = 0.1,
    force: Force = False,
) -> int:
    """Make one table of all runs of a sweep: parameters, status, quantities, errors.

    Parameters
    ----------
    runs
        Folder that `dmft sweep` wrote.
    output
        CSV file to write.
    times
        Times at which the quantities are wanted besides the last one, such as 1,10,100.
    escape
        The escape time of the spiked model is when |m| first reaches this, in (0, 1).
    """
    import numpy as np

    from dmft import parse, tables
    from dmft.solution import TIME_SLACK
    from dmft.sweep import Folder
    from dmft.sweep import collect as make

    check_products(output, force=force)
    chosen = [] if times is None else parse.numbers("times", times)
    table = make(runs, chosen, escape)
    tables.save_csv(output, table, force=force)
    for t in chosen:
        early = int(np.sum(~(table["t"] * (1.0 + TIME_SLACK) >= t)))
        if early:
            print(f"t = {t:g}: {early} of {len(table['t'])} runs end before it, nan there")
    missing = Folder(runs).missing()
    rest = f"; {missing} more of the recipe are not done" if missing else ""
    print(f"saved {output}: {len(table['name'])} runs{rest}")
    return OK
