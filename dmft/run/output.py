"""Where a command saves its run: one process for an output, nothing good replaced, nothing lost."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from dmft import storage
from dmft.arguments import checkpoint_of
from dmft.solution import Solution, Status, saved_as

__all__ = ["Mode", "held", "kept", "rescued"]

# How a file tells that its run needs nothing more.
GOOD = (Status.FINISHED.name, Status.STOPPED.name)


class Mode(NamedTuple):
    """What a command may do with an output that is there when its run has ended.

    Attributes
    ----------
    replaces : bool
        Replace it.
    goes_on : bool
        It is what the run goes on with: a failed one must not replace a good one.
    """

    replaces: bool = True
    goes_on: bool = False


@contextmanager
def held(output: Path) -> Iterator[str]:
    """Keep other processes from running to the same output; the lock ends with the process.

    Yield why there is no lock, "" if there is one.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: another process is doing so.
    """
    lock, unlocked = FileLock(output.with_name(f".{output.name}.lock")), ""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise storage.FileError(
            f"output = {str(output)!r} is being written by another process: wait for it, or choose"
            " another"
        ) from None
    except (OSError, NotImplementedError) as error:
        # A file system without locks: what is left is the check when the run is saved.
        unlocked = str(error) or type(error).__name__
    try:
        yield unlocked
    finally:
        if not unlocked:
            # First the name, while nobody else can have it.
            with suppress(OSError):
                os.unlink(lock.lock_file)
            lock.release()


def kept(solution: Solution, output: Path, mode: Mode) -> tuple[Path, str]:
    """Save a run; return where, and, if that is not `output`, a sentence that says why.

    Raises
    ------
    OSError
        It cannot be saved: the disk is full, the folder is gone.
    """
    if mode.goes_on and solution.status is Status.FAILED and _good(output):
        return _beside(solution, output, "-failed"), f"{output} is kept: its run is finished"
    if mode.replaces:
        saved_as(solution, output)
        return output, ""
    try:
        storage.write(output, solution.contents())
    except storage.FileError as error:
        if not output.exists():
            raise OSError(str(error)) from error
        return _beside(solution, output, ""), f"{output} exists now: another process wrote it"
    return output, ""


def _good(path: Path) -> bool:
    """Return whether a file has a run that reached its end."""
    try:
        return storage.read(path).attributes.get("status") in GOOD
    except (OSError, storage.FileError):
        return False


def _beside(solution: Solution, output: Path, word: str) -> Path:
    """Save a run to a free name beside `output`."""
    for k in itertools.count(1 if word else 2):
        path = output.with_stem(f"{output.stem}{word}" + (f"-{k}" if k > 1 else ""))
        try:
            storage.write(path, solution.contents())
        except storage.FileError as error:
            if not path.exists():
                raise OSError(str(error)) from error
        else:
            return path
    raise AssertionError("there is always a free name")


def rescued(solution: Solution, output: Path, error: OSError) -> str:
    """Save a run anywhere, as it cannot be saved to `output`; return a sentence.

    The checkpoint's place has room if the run has grown little since the last checkpoint, and the
    folder of temporary files is often on another disk.
    """
    part = checkpoint_of(output)
    with suppress(OSError):
        saved_as(solution, part)
        return f"{error}; the run is saved to {part}: make room, and rename it"
    with suppress(OSError):
        other = Path(tempfile.gettempdir()) / f"{output.stem}-{os.getpid()}{output.suffix}"
        saved_as(solution, other)
        return f"{error}; the run is saved to {other}: make room, and move it"
    if part.is_file():
        return f"{error}; left is the checkpoint: make room, then `dmft resume {output}`"
    return f"{error}; of the run nothing is left but these lines"
