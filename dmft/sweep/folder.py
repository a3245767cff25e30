"""The folder of a sweep: one NetCDF file for each run, and manifest.jsonl, which says how each
ended.

The manifest has a header and then a line for each ending; the last one of a run counts.  A line has
a checksum of its own, without which it is none, and a file counts as finished where its SHA-256 is
that of its line.  `.work` holds locks and what a run tells of its progress.  Any number of
processes may use one folder: a run is done under its lock, which the system releases when its
process dies.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from dmft import notebook, storage
from dmft._api import load

__all__ = ["SCHEMA", "Folder", "Line", "digest"]

# 1: lines without `check`.
SCHEMA = 2
CHECKED_FROM = 2
MANIFEST, WORK = "manifest.jsonl", ".work"
# Seconds to wait for the rest of a last line that another process may be writing.
WRITING = 0.3
# In WORK: the names of all runs of the recipes that were begun here.
EXPECTED = "expected.json"


class Line(NamedTuple):
    """How a run ended.

    Attributes
    ----------
    name : str
        Of the run.
    status : str
        finished, stopped or failed.
    message : str
        A sentence.
    seconds : float
        Wall time.
    sha256 : str
        Of the file; empty if there is none.
    parameters : dict
        Of the run.
    """

    name: str
    status: str
    message: str
    seconds: float
    sha256: str
    parameters: dict[str, Any]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in ("finished", "stopped")

    @property
    def check(self) -> str:
        """The line's own checksum."""
        plain = json.loads(json.dumps(self._asdict()))
        text = json.dumps(plain, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Manifest(NamedTuple):
    """What a manifest says: the last line of each run, and which lines are damaged, from 1."""

    lines: dict[str, Line]
    damaged: list[int]


def _parsed(text: str, checked: bool) -> Line | None:
    """Return a line, or None if the text is none: cut short by a full disk, or damaged."""
    try:
        told = json.loads(text)
        check = told.pop("check", None)
        line = Line(**told)
        whole = check == line.check or (check is None and not checked)
    except (ValueError, TypeError, AttributeError):
        return None
    return line if whole else None


class Folder:
    """A folder of runs.

    Parameters
    ----------
    path : path
        The folder; made by :meth:`prepare`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest = self.path / MANIFEST

    def check(self, name: str = "output") -> None:
        """Check that the folder can be made, or is one of this schema; touch nothing.

        Raises
        ------
        dmft.storage.FileError
            A ValueError: it cannot be made or written, or it is no folder of runs.
        """
        said = f"{name} = {str(self.path)!r} is not allowed"
        if self.path.exists() and not self.path.is_dir():
            raise storage.FileError(f"{said}: it is no folder")
        if not self.path.parent.is_dir():
            raise storage.FileError(f"{said}: there is no directory {str(self.path.parent)!r}")
        place = self.path if self.path.exists() else self.path.parent
        if not os.access(place, os.W_OK):
            raise storage.FileError(f"{said}: {str(place)!r} is not writable")
        if self.manifest.exists():
            self._header()
        elif self.path.exists() and any(not _own(p.name) for p in self.path.iterdir()):
            raise storage.FileError(f"{said}: it is not empty, and no folder of a sweep")

    def prepare(self, name: str = "output") -> None:
        """Make the folder, or check that it is one of this schema.

        Raises
        ------
        dmft.storage.FileError
            A ValueError: as :meth:`check`.
        """
        self.check(name)
        try:
            (self.path / WORK).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"{name} = {str(self.path)!r} is not allowed"
            raise storage.FileError(f"{said}: it cannot be made ({error.strerror})") from None
        with self._lock("manifest"):
            if not self.manifest.exists():
                with storage.write_text(self.manifest) as file:
                    file.write(json.dumps({"kind": "dmft sweep", "schema": SCHEMA}) + "\n")
        self._header()

    def expect(self, names: Collection[str]) -> None:
        """Note which runs a recipe has, besides those of other recipes on this folder."""
        with self._lock("manifest"):
            known = sorted({*self.expected(), *names})
            with storage.write_text(self.path / WORK / EXPECTED, force=True) as file:
                file.write(json.dumps(known))

    def expected(self) -> list[str]:
        """Return the names of the runs that its recipes have; none where nobody noted them."""
        try:
            return list(json.loads((self.path / WORK / EXPECTED).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return []

    def missing(self) -> int:
        """Return how many runs of its recipes have no file yet."""
        lines = self.lines()
        return sum(name not in lines or not lines[name].sha256 for name in self.expected())

    def _repr_html_(self) -> str:
        """Return how its runs ended, as a notebook shows it."""
        found = Counter(line.status for line in self.lines().values())
        waiting = sum(name not in self.lines() for name in self.expected())
        colors = {"finished": "#009E73", "stopped": "#56B4E9", "failed": "#D55E00"}
        parts = {status: (found[status], color) for status, color in colors.items()}
        parts["not done"] = (waiting, "#d0d0d0")
        rows = [(status, str(number)) for status, (number, _) in parts.items()]
        return notebook.card(f"Sweep in {self.path}", rows, notebook.bar(parts))

    def _lock(self, name: str, timeout: float = -1) -> FileLock:
        return FileLock(self.path / WORK / f"{name}.lock", timeout=timeout)

    def lock(self, name: str, timeout: float) -> FileLock:
        """Return the lock of a run: entering it waits `timeout` seconds, for ever below 0."""
        return self._lock(name, timeout)

    def run(self, name: str) -> Path:
        """Return the file of a run."""
        return self.path / f"{name}.nc"

    def checkpoint(self, name: str) -> Path:
        """Return the checkpoint of a run."""
        return self.path / WORK / f"{name}.nc.part"

    def _header(self) -> int:
        """Return the schema; raise FileError if it is no folder of a sweep."""
        said = f"{str(self.path)!r}"
        if not self.manifest.is_file():
            raise storage.FileError(f"{said} is no folder of a sweep: it has no {MANIFEST}")
        with self.manifest.open(encoding="utf-8") as file:
            try:
                head = json.loads(file.readline())
                schema = int(head["schema"]) if head["kind"] == "dmft sweep" else None
            except (ValueError, KeyError, TypeError):
                schema = None
        if schema is None:
            raise storage.FileError(f"{said} is no folder of a sweep: {MANIFEST} has no header")
        if schema > SCHEMA:
            raise storage.FileError(
                f"{said} has schema {schema}, newer than {SCHEMA}: update dmft to use it"
            )
        if schema < 1:
            raise storage.FileError(
                f"{said} has schema {schema}: use another folder, or the dmft that wrote it"
            )
        return schema

    def lines(self) -> dict[str, Line]:
        """Return the last line of each run.

        Raises
        ------
        dmft.storage.FileError
            A ValueError: it is no folder of runs, or one of a newer schema.
        """
        return self._read().lines

    def whole_lines(self) -> dict[str, Line]:
        """Return the last line of each run, if all lines are whole.

        Raises
        ------
        dmft.storage.FileError
            A ValueError: as :meth:`lines`; or a line is damaged, and with it a run might be missing
            from what is made of the others.
        """
        found = self._read()
        if found.damaged:
            time.sleep(WRITING)
            found = self._read()
        if found.damaged:
            raise storage.FileError(
                f"{str(self.manifest)!r} is damaged in line {found.damaged[0]}: run `dmft sweep`"
                " again, which mends it"
            )
        return found.lines

    def _read(self) -> Manifest:
        checked = self._header() >= CHECKED_FROM
        found, damaged = dict[str, Line](), list[int]()
        text = self.manifest.read_bytes().decode("utf-8", errors="replace")
        # Not splitlines(): it splits at other characters, too, which a damaged line may have.
        for number, one in enumerate(text.removesuffix("\n").split("\n")[1:], 2):
            if (line := _parsed(one, checked)) is None:
                damaged.append(number)
            else:
                found.pop(line.name, None)
                found[line.name] = line
        return Manifest(found, damaged)

    def mend(self) -> None:
        """Remove damaged lines, whose runs then count as if they had none.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        if not self._read().damaged:
            return
        with self._lock("manifest"):
            damaged = set(self._read().damaged)
            texts = self.manifest.read_bytes().removesuffix(b"\n").split(b"\n")
            kept = [text for number, text in enumerate(texts, 1) if number not in damaged]
            with storage.replacing(self.manifest) as temporary:
                temporary.write_bytes(b"\n".join(kept) + b"\n")

    def add(self, line: Line) -> None:
        """Append a line, whole; do nothing if another sweep has done so."""
        text = json.dumps(line._asdict() | {"check": line.check}) + "\n"
        with self._lock("manifest"), self.manifest.open("rb+") as file:
            if line.done and self._has(file.read(), line):
                return
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            torn = file.read(1) != b"\n"
            file.seek(end)
            try:
                file.write(("\n" if torn else "").encode() + text.encode())
                file.flush()
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise
            os.fsync(file.fileno())

    def _has(self, manifest: bytes, line: Line) -> bool:
        """Return whether the last line of a run says the same of the same file."""
        for text in reversed(manifest.split(b"\n")):
            if line.name.encode() in text:
                last = _parsed(text.decode("utf-8", errors="replace"), False)
                return last is not None and (last.status, last.sha256) == (line.status, line.sha256)
        return False

    def finished(self, name: str, line: Line | None) -> Line | None:
        """Return the line of a run that is done, or None where it has to be done (again).

        A file without a line, whose sweep was killed in between, gets one.
        """
        path = self.run(name)
        if not path.is_file():
            return None
        if line is not None and line.done:
            return line if digest(path) == line.sha256 else None
        if (line := self.told_by_file(name)) is not None:
            self.add(line)
        return line

    def told_by_file(self, name: str) -> Line | None:
        """Return the line of a run that its file tells, or None where it is not done."""
        path = self.run(name)
        try:
            solution = load(path)
        except (storage.FileError, OSError):
            return None
        if solution.provenance.get("run") != name or not solution.success:
            return None
        return Line(
            name, solution.status.value, solution.message, float(solution.stats["seconds"]),
            digest(path), dict(solution.provenance.get("job", {})),
        )  # fmt: skip

    def without_line(self, lines: Collection[str]) -> list[Line]:
        """Return the lines of finished runs that have none: their sweep was killed in between."""
        names = sorted(path.stem for path in self.path.glob("*.nc") if path.stem not in lines)
        return [line for name in names if (line := self.told_by_file(name)) is not None]

    def tell(self, name: str, done: float) -> None:
        """Note what part of a run is done, for whoever watches."""
        with suppress(OSError):
            (self.path / WORK / f"{name}.progress").write_text(f"{done:.4f}", encoding="utf-8")

    def told(self, name: str) -> float:
        """Return what part of a run is done."""
        with suppress(OSError, ValueError):
            text = (self.path / WORK / f"{name}.progress").read_text(encoding="utf-8")
            return min(1.0, max(0.0, float(text)))
        return 0.0

    def begun(self, name: str) -> bool:
        """Return whether a run has begun since :meth:`forget`, and was not finished."""
        return (self.path / WORK / f"{name}.progress").exists()

    def forget(self, name: str) -> None:
        """Remove what a run has told."""
        with suppress(OSError):
            (self.path / WORK / f"{name}.progress").unlink()

    def clear(self, name: str) -> None:
        """Remove what a run leaves besides its file."""
        with suppress(OSError):
            self.checkpoint(name).unlink()
        self.forget(name)
        storage.remove_leftovers(self.run(name))
        storage.remove_leftovers(self.checkpoint(name))


def _own(name: str) -> bool:
    # Another sweep may be making the folder at this moment.
    return name == WORK or name.startswith((MANIFEST, f".{MANIFEST}."))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
