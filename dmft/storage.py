"""Arrays and attributes <-> one NetCDF-4 file, written whole or not at all.

Knows nothing of runs: a file is a set of named variables with dimensions and attributes, plus file
attributes.  `schema` says which layout; `complete` is written last.
"""

from __future__ import annotations

import glob
import io
import os
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "HDF5",
    "SCHEMA",
    "Contents",
    "FileError",
    "Variable",
    "check_target",
    "read",
    "remove_leftovers",
    "replacing",
    "write",
    "write_text",
]

# 1: without `system`, which is then the spiked model.
SCHEMA = 2
# What a NetCDF-4 file begins with: it is an HDF5 file.
HDF5 = b"\x89HDF\r\n\x1a\n"
# Below this many values compression costs more than it saves.
COMPRESS_FROM = 1000


class FileError(ValueError):
    """A file that cannot be read as a run, or a path that cannot be written; one sentence."""


@dataclass(frozen=True)
class Variable:
    """An array with the names of its dimensions and its attributes (units, long_name, ...)."""

    dimensions: tuple[str, ...]
    values: NDArray[Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a file holds: variables by name, and the attributes of the file."""

    variables: Mapping[str, Variable]
    attributes: Mapping[str, Any]


def as_path(path: str | os.PathLike[str], name: str) -> Path:
    """Return a path, or raise FileError if what was given is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise FileError(f"{name} = {path!r} is not allowed: it must be a path")
    return Path(path)


def check_target(
    path: str | os.PathLike[str], *, force: bool = False, name: str = "output"
) -> Path:
    """Return `path` if a file can be written there, without touching it.

    Raises
    ------
    FileError
        The directory is missing or not writable, `path` is a directory, or it exists and `force`
        is False.  `name` is what the sentence calls it.
    """
    target = as_path(path, name)
    folder = target.parent
    said = f"{name} = {str(target)!r}"
    if not folder.is_dir():
        raise FileError(f"{said} is not allowed: there is no directory {str(folder)!r}")
    if target.is_dir():
        raise FileError(f"{said} is not allowed: it is a directory")
    if target.exists() and not force:
        raise FileError(f"{said} exists already: choose another or overwrite it (force=True)")
    if not os.access(folder, os.W_OK):
        raise FileError(f"{said} is not allowed: {str(folder)!r} is not writable")
    return target


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it when the block ends without error.

    Raises
    ------
    OSError
        It cannot be written: the disk is full, the folder is gone.
    """
    try:
        with _temporary(target) as temporary:
            yield temporary
    except OSError as error:
        # Of another file: that is named already.
        own = error.filename is None or Path(error.filename).parent == target.parent
        if error.errno is None or not own:
            raise
        why = f"{str(target)!r} cannot be written: {error.strerror}"
        raise type(error)(error.errno, why) from error


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; give the ones a plain open() would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def remove_leftovers(target: Path) -> None:
    """Remove temporary files beside `target` that a killed process left."""
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()


@contextmanager
def write_text(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[IO[str]]:
    """Open a text file (UTF-8) that appears at `path` only when the block ends without error."""
    target = check_target(path, force=force)
    with (
        replacing(target) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        yield file


def write(path: str | os.PathLike[str], contents: Contents, *, force: bool = False) -> None:
    """Write `contents` to a NetCDF-4 file at `path`, whole or not at all.

    Raises
    ------
    FileError
        As :func:`check_target`.
    OSError
        As :func:`replacing`.
    """
    import h5netcdf

    target = check_target(path, force=force)
    # In memory first: HDF5 itself dies where a disk is full.
    whole = io.BytesIO()
    with h5netcdf.File(whole, "w") as file:
        for name, variable in contents.variables.items():
            for dimension, size in zip(variable.dimensions, variable.values.shape, strict=True):
                if dimension not in file.dimensions:
                    file.dimensions[dimension] = size
            large = variable.values.size >= COMPRESS_FROM
            options = {"compression": "gzip", "shuffle": True} if large else {}
            stored = file.create_variable(
                name, variable.dimensions, dtype=variable.values.dtype, **options
            )
            stored[...] = variable.values
            stored.attrs.update(variable.attributes)
        file.attrs.update({"schema": SCHEMA, **contents.attributes})
        file.attrs["complete"] = 1
    with replacing(target) as temporary:
        temporary.write_bytes(whole.getbuffer())


def _unreadable(source: Path) -> str:
    """Return what is wrong with a file that HDF5 does not open."""
    with source.open("rb") as file:
        begins = file.read(len(HDF5))
    if begins == HDF5:
        return f"{str(source)!r} is truncated or damaged: it begins like a NetCDF-4 file"
    if not begins:
        return f"{str(source)!r} is empty: it is no NetCDF-4 file"
    return f"{str(source)!r} is no NetCDF-4 file: a run is what `dmft solve` and save() write"


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a file that :func:`write` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FileError
        It is no NetCDF-4 file, truncated, incomplete, no run, or of a newer schema.
    """
    import h5netcdf

    source = as_path(path, "path")
    if not source.is_file():
        raise FileNotFoundError(f"there is no file {str(source)!r}")
    try:
        with h5netcdf.File(source, "r") as file:
            attributes = dict(file.attrs)
            variables = {
                name: Variable(stored.dimensions, stored[...], dict(stored.attrs))
                for name, stored in file.variables.items()
            }
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise FileError(_unreadable(source)) from error
    if "schema" not in attributes or not isinstance(attributes["schema"], (int, np.integer)):
        raise FileError(f"{str(source)!r} is a NetCDF-4 file, but no run of dmft")
    if int(attributes["schema"]) > SCHEMA:
        raise FileError(
            f"{str(source)!r} has schema {int(attributes['schema'])}, newer than {SCHEMA}:"
            " update dmft to read it"
        )
    if not int(attributes.get("complete", 0)):
        raise FileError(f"{str(source)!r} is incomplete: its writing was cut short")
    return Contents(variables, attributes)
