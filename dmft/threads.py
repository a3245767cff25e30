"""Threads for compiled kernels: Python's own, which survive a fork and each other.

A kernel is a jitted function ``kernel(part, parts, *arguments)`` that releases the lock of the
interpreter (``nogil=True``) and does the items part, part + parts, part + 2 parts, ... of its work.
Every item is computed in the same way whatever the number of parts, so results do not depend on it.

numba's own threads would not do.  After GNU OpenMP has been used a forked child that uses it again
is killed, and children of a pool that forks are what Python makes on Linux unless told otherwise;
numba's other layer, `workqueue`, aborts when two Python threads use it at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["available", "current", "limit", "one_for_blas", "share", "using"]

_number: ContextVar[int | None] = ContextVar("threads of kernels", default=None)


def available() -> int:
    """Return the most threads there may be: the cores, or the variable NUMBA_NUM_THREADS."""
    import numba

    config: Any = numba.config
    return int(config.NUMBA_NUM_THREADS)


def current() -> int:
    """Return the number of threads that kernels use now: all, outside of :func:`using`."""
    return _number.get() or available()


def limit(number: int) -> None:
    """Let the kernels of this Python thread use so many threads from now on."""
    _number.set(min(number, available()))


@contextmanager
def using(number: int) -> Iterator[int]:
    """Let the kernels of this Python thread use so many threads; yield what they get."""
    before = _number.get()
    limit(number)
    try:
        yield current()
    finally:
        _number.set(before)


def share(kernel: Callable[..., Any], *arguments: Any) -> None:
    """Do all the work of a kernel, shared among the threads."""
    parts = current()
    if parts == 1:
        kernel(0, 1, *arguments)
        return
    pool = _shared.pool(parts - 1)
    others = [pool.submit(kernel, part, parts, *arguments) for part in range(1, parts)]
    try:
        kernel(0, parts, *arguments)
        for part, other in enumerate(others, 1):
            # What nobody has begun yet, because other runs keep the threads busy, is done here.
            if other.cancel():
                kernel(part, parts, *arguments)
            else:
                other.result()
    finally:
        # Whatever happens: nobody writes to these arrays after this function has ended.
        wait([other for other in others if not other.cancel()])


class _Shared:
    """What all runs of a process share.  A forked child begins with its own: threads do not fork,
    and a lock may have been held in the parent."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.executor: ThreadPoolExecutor | None = None
        self.size = 0
        self.runs = 0
        self.limits: Any = None

    def pool(self, size: int) -> ThreadPoolExecutor:
        """Return the threads, at least so many."""
        with self.lock:
            if self.executor is None or self.size < size:
                # Threads of a smaller pool end once what they do is done.
                if self.executor is not None:
                    self.executor.shutdown(wait=False)
                self.size = max(size, available() - 1)
                self.executor = ThreadPoolExecutor(self.size, "dmft")
            return self.executor


_shared = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.__init__)  # type: ignore[misc]


@contextmanager
def one_for_blas() -> Iterator[None]:
    """Hold the linear algebra of the process to one thread, while any run lasts.

    The LU factorisations of a slice gain nothing from a second thread, and OpenBLAS's threads spin
    for a while after each of them on the cores that the kernels need: two threads were slower than
    one (an escape to t = 1e4: 18.0 s against 10.5 s; with BLAS at one thread 7.7 s).
    """
    from threadpoolctl import threadpool_limits

    # The limit is one of the whole process: the last of several runs lifts it.
    with _shared.lock:
        if _shared.runs == 0:
            _shared.limits = threadpool_limits(1, user_api="blas")
        _shared.runs += 1
    try:
        yield
    finally:
        with _shared.lock:
            _shared.runs -= 1
            if _shared.runs == 0:
                _shared.limits.restore_original_limits()
