"""What is said while something lasts: progress bars, and log lines where nobody sees a bar.

The logger is "dmft".  The command line shows its lines on stderr if that is no terminal; in a
program they are shown by ``logging.basicConfig(level=logging.INFO)``.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dmft.run.stop import Progress

with warnings.catch_warnings():
    # In a notebook without ipywidgets it warns and takes the bar of a terminal.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm
    from tqdm.std import TqdmDefaultWriteLock

__all__ = ["LOG", "Bar", "Heartbeat", "Meter", "compiling_logged", "hidden", "remark"]

LOG = logging.getLogger("dmft")

# Seconds after which a line is written in any case, and that are between two lines at least: a run
# that takes less says nothing.
EVERY, APART = 60.0, 10.0
COMPILING = "compiling the solver: about half a minute, once per system and installation"


def hidden(progress: bool | None) -> bool | None:
    """Return what tqdm calls `disable`; None means: show a bar if stderr is a terminal.

    What the user says with `progress` holds.  A notebook is no terminal, but shows bars.
    """
    if progress is not None:
        return not progress
    return False if _in_notebook() else None


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a script may import one's library, too."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def remark(sentence: str, progress: bool | None) -> None:
    """Say a sentence where the progress is said: on a terminal, in a notebook, or in the log.

    ``progress=False`` and ``--quiet`` silence it.
    """
    no_bar = hidden(progress)
    if progress is False:
        return
    if no_bar is False or (no_bar is None and sys.stderr.isatty()):
        if LOG.isEnabledFor(logging.WARNING):
            Meter.write(sentence, file=sys.stderr)
    else:
        LOG.info("%s", sentence)


class Meter(tqdm):  # type: ignore[misc]
    """A progress bar whose lock survives forks and the death of other processes.

    Every bar of tqdm, a hidden one too, takes a lock that a process and its forked children share
    and that stays locked for all of them if a child is killed while it has it.  Bars of this
    package take only the part that the threads of a process share.
    """


# A thread that holds the lock at the moment of a fork does not exist in the child.
Meter.set_lock(TqdmDefaultWriteLock.th_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=Meter.get_lock().acquire,
        after_in_parent=Meter.get_lock().release,
        after_in_child=Meter.get_lock().release,
    )


class Bar(Meter):
    """A progress bar; where it is hidden a line is logged each minute."""

    def __init__(self, *args: Any, **how: Any) -> None:
        self.began = self.said = time.monotonic()
        self.count, self.doing = how.get("initial", 0), how.get("desc") or ""
        super().__init__(*args, **how)

    def update(self, n: float = 1) -> Any:
        """Count n more."""
        self.count += n
        now = time.monotonic()
        if self.disable and now - self.said >= EVERY:
            self.said = now
            of = "" if self.total is None else f" of {self.total:g}"
            what = str(getattr(self, "desc", "") or self.doing).removesuffix(": ")
            done = f"{self.count:g}{of} done after {now - self.began:.0f} s"
            LOG.info("%s", ", ".join(filter(None, (what, done))))
        return super().update(n)


class Heartbeat:
    """Logs where a run stands: at each decade of t, and each minute.

    Short runs log nothing: lines are at least `APART` seconds apart.
    """

    def __init__(self) -> None:
        self.said, self.decade = 0.0, -math.inf

    def __call__(self, now: Progress) -> None:
        """Log a line if it is time to."""
        since = now.seconds - self.said
        decade = math.floor(math.log10(now.t)) if now.t > 0.0 else -math.inf
        if since < APART or (since < EVERY and decade <= self.decade):
            return
        self.said, self.decade = now.seconds, decade
        values = ", ".join(f"{name} = {value:.6g}" for name, value in now.values.items())
        LOG.info(
            "t = %.4g, %s (%.0f %% of the work, %.0f s)",
            now.t, values, 100.0 * now.work_done, now.seconds,
        )  # fmt: skip


@contextmanager
def compiling_logged(log: bool) -> Iterator[None]:
    """Log a line, if asked to, before numba compiles what is not in its cache yet."""
    from numba.core import event

    class Listener(event.Listener):
        said = not log

        def on_start(self, _event: Any) -> None:
            if not self.said:
                self.said = True
                LOG.warning(COMPILING)

        def on_end(self, _event: Any) -> None:
            """Say nothing: what follows may be compiled, too."""

    with event.install_listener("numba:compile", Listener()):
        yield
