"""Arrays and attributes <-> one NetCDF-4 file, written whole or not at all, with a checksum.

Knows nothing of runs: a file is a set of named variables with dimensions and attributes, plus file
attributes.  `schema` says which layout; `complete` is written last.

After the last byte that HDF5 uses comes a seal, one line of text with the SHA-256 of all bytes
before it.  HDF5 and all that is built on it ignore what follows its own end of file, and cut it off
when they change a file.  So one changed bit, wherever it is, and every edit by another program is
seen before HDF5 reads anything: a damaged file can crash the library, and can give other numbers
without an error.
"""

from __future__ import annotations

import errno
import glob
import hashlib
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
    "check_run_name",
    "check_target",
    "checked_path",
    "read",
    "remove_leftovers",
    "replacing",
    "write",
    "write_text",
]

# 1: without `system`, which is then the spiked model.  2: without a seal.
SCHEMA = 3
SEALED_FROM = 3
SEAL = b"\ndmft-sha256:"
SEAL_SIZE = len(SEAL) + hashlib.sha256().digest_size * 2 + 1
# What a NetCDF-4 file begins with: it is an HDF5 file.
HDF5 = b"\x89HDF\r\n\x1a\n"
# What the names of runs end in; a checkpoint ends in .part, and a name may have no ending.
SUFFIXES = (".nc", ".part", "")
# What file systems without hard links answer (FAT, some network drives).
NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK)
# Below this many values compression costs more than it saves.
COMPRESS_FROM = 1000
# What h5py and h5netcdf raise on files that are none.
HDF5_ERRORS = (
    OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip


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
    target = checked_path(name, path)
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


def checked_path(name: str, path: object) -> Path:
    """Return a path that a user gave, or raise FileError; a number is none, but open() takes it."""
    if not isinstance(path, (str, os.PathLike)):
        raise FileError(f"{name} = {path!r} is not allowed: it must be the path of a file")
    return Path(path)


def check_run_name(name: str, path: str | os.PathLike[str], otherwise: str) -> None:
    """Refuse the name of another kind of file for a run; `otherwise` says what makes that.

    Raises
    ------
    FileError
        A ValueError: it ends neither in .nc nor in .part, as checkpoints do.
    """
    target = checked_path(name, path)
    if target.suffix.lower() not in SUFFIXES:
        raise FileError(
            f"{name} = {str(target)!r} is not allowed: a run is saved as NetCDF-4 and its name ends"
            f" in .nc, such as {target.with_suffix('.nc').name}; {otherwise}"
        )


@contextmanager
def replacing(target: Path, *, force: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target` that becomes it when the block ends without error.

    Raises
    ------
    FileError
        `force` is False, and there is a file now.
    OSError
        It cannot be written: the disk is full, the folder is gone.
    """
    try:
        with _temporary(target, force) as temporary:
            yield temporary
    except OSError as error:
        # Of another file: that is named already.
        own = error.filename is None or Path(error.filename).parent == target.parent
        if error.errno is None or not own:
            raise
        why = f"{str(target)!r} cannot be written: {error.strerror}"
        raise type(error)(error.errno, why) from error


@contextmanager
def _temporary(target: Path, force: bool) -> Iterator[Path]:
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
        if force:
            temporary.replace(target)
        else:
            _appear(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _appear(temporary: Path, target: Path) -> None:
    """Give a file its name, unless another has it.

    A link is refused where the name is taken, while a rename replaces silently: of two processes
    that write one file at once, the second is told so.
    """
    try:
        os.link(temporary, target)
    except OSError as error:
        taken = isinstance(error, FileExistsError)
        if not taken and error.errno not in NO_LINKS:
            raise
        if taken or target.exists():
            raise FileError(
                f"{str(target)!r} exists now, though it did not before: another process wrote it"
            ) from None
        temporary.replace(target)


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
        replacing(target, force=force) as temporary,
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
        file.attrs["checksum"] = "SHA-256 in the last line, of all bytes before that line"
        file.attrs["complete"] = 1
    whole.seek(0, os.SEEK_END)
    whole.write(_seal(whole.getbuffer()))
    with replacing(target, force=force) as temporary:
        temporary.write_bytes(whole.getbuffer())


def _seal(body: bytes | memoryview) -> bytes:
    """Return what follows the bytes of HDF5."""
    return SEAL + hashlib.sha256(body).hexdigest().encode() + b"\n"


def _bytes(source: Path) -> tuple[memoryview, bool]:
    """Return the bytes of HDF5 in a file, and whether a seal says that they are as written.

    Raises
    ------
    FileError
        They are not.
    """
    whole = memoryview(source.read_bytes())
    body, seal = whole[:-SEAL_SIZE], bytes(whole[-SEAL_SIZE:])
    if not seal.startswith(SEAL):
        return whole, False
    if seal != _seal(body):
        raise FileError(
            f"{str(source)!r} is damaged: its bytes are not those that were written (SHA-256); copy"
            " it again, or make it anew"
        )
    return body, True


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
        It is no NetCDF-4 file, truncated, incomplete, changed after it was written, no run, or of a
        newer schema.
    """
    import h5netcdf

    source = checked_path("path", path)
    if not source.is_file():
        raise FileNotFoundError(f"there is no file {str(source)!r}")
    body, sealed = _bytes(source)
    try:
        # From memory: what is read is what was checked, also if another process replaces the file.
        with h5netcdf.File(io.BytesIO(body), "r") as file:
            attributes = dict(file.attrs)
            _check(str(source), attributes, sealed)
            variables = {
                name: Variable(stored.dimensions, stored[...], dict(stored.attrs))
                for name, stored in file.variables.items()
            }
    except FileError:
        raise
    except HDF5_ERRORS as error:
        raise FileError(_unreadable(source)) from error
    return Contents(variables, attributes)


def _check(source: str, attributes: Mapping[str, Any], sealed: bool) -> None:
    """Raise FileError unless the attributes of a file are those of one that :func:`write` wrote."""
    schema = attributes.get("schema")
    if not isinstance(schema, (int, np.integer)):
        raise FileError(f"{source!r} is a NetCDF-4 file, but no run of dmft")
    if int(schema) > SCHEMA:
        raise FileError(
            f"{source!r} has schema {int(schema)}, newer than {SCHEMA}: update dmft to read it"
        )
    if not int(attributes.get("complete", 0)):
        raise FileError(f"{source!r} is incomplete: its writing was cut short")
    if (int(schema) >= SEALED_FROM or "checksum" in attributes) and not sealed:
        raise FileError(
            f"{source!r} is truncated, or was changed after dmft wrote it: its checksum is missing"
        )
