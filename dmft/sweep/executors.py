"""Where the runs of a sweep are done: processes of this machine, or workers of a Dask cluster."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

from dmft import extras

__all__ = ["TRIES", "Maker", "at_work", "available_cores", "dask", "interrupted", "processes"]

# How often a run is tried whose process died (kill -9, out of memory).
TRIES = 3

Maker = Callable[[], AbstractContextManager[Executor]]

# Set in a process that is to begin nothing more.
interrupted = threading.Event()
# Seconds that a process without a run waits for its parent to end it after it was interrupted.
PATIENCE = 10

_under_way: list[str] = []


@contextmanager
def at_work(name: str) -> Iterator[None]:
    """Note that this process is doing a run."""
    _under_way.append(name)
    try:
        yield
    finally:
        _under_way.remove(name)


# For the workers of a local Dask cluster.  Its default environment makes glibc give memory back at
# once, which costs runs, whose arrays are large, a sixth of their time; its profiler takes more.
DASK = {
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1},
    "distributed.worker.profile.enabled": False,
}


def available_cores() -> int:
    """Return how many cores this process may use: fewer than there are, in a batch job."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Yield processes of this machine."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin_process)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_process() -> None:
    """Begin no run after Ctrl-C or SIGTERM, and end when the parent process is killed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    for watch in (_end_with_the_parent, _end_without_a_run):
        threading.Thread(target=watch, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _end_without_a_run() -> None:
    """End an interrupted process that nobody ends.

    A process that is killed while it waits for a run keeps the lock of the queue.  The executor
    sends SIGTERM to the others and waits for them, and they would wait for that lock for ever.
    """
    interrupted.wait()
    idle = 0
    while idle < PATIENCE:
        time.sleep(1.0)
        idle = 0 if _under_way else idle + 1
    os._exit(1)


@contextmanager
def dask(scheduler: str | None, workers: int | None, timeout: float = 10.0) -> Iterator[Maker]:
    """Yield a maker of executors on a Dask cluster: one that runs, or a local one of `workers`.

    Raises
    ------
    dmft.extras.MissingExtraError
        An ImportError: dask.distributed is not installed (extra `cluster`).
    ValueError
        The scheduler does not answer within `timeout` seconds.
    """
    extras.require("distributed", what="a Dask cluster")
    from dask import config
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:
            stack.enter_context(config.set(DASK))
            address = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None,
                silence_logs=logging.ERROR,
            )  # fmt: skip
            stack.enter_context(address)
        try:
            client = Client(  # type: ignore[no-untyped-call]
                address, timeout=timeout, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"scheduler = {scheduler!r} does not answer: gave up after {timeout:g} s"
            ) from error
        stack.enter_context(client)
        yield lambda: client.get_executor(  # type: ignore[no-untyped-call]
            retries=TRIES - 1, pure=False
        )
