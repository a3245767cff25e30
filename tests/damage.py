"""Damage to files, for the tests that nothing damaged is read: flipped bits, and edits by h5py."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from dmft import storage

__all__ = ["edits", "flips", "same_contents", "sealed"]


def sealed(path: Path) -> None:
    """Give a file that was edited the checksum of its new bytes, as a forger would."""
    body = path.read_bytes().partition(storage.SEAL)[0]
    path.write_bytes(body + storage._seal(body))


def flips(path: Path, number: int, seed: int = 0) -> Iterator[tuple[int, int]]:
    """Flip one bit of a file after another; yield the byte and the bit while it is flipped."""
    whole, chosen = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(number):
        byte, bit = chosen.randrange(len(whole)), chosen.randrange(8)
        whole[byte] ^= 1 << bit
        path.write_bytes(whole)
        yield byte, bit
        whole[byte] ^= 1 << bit
    path.write_bytes(whole)


def edits(path: Path, number: int, seed: int = 0) -> Iterator[str]:
    """Edit a file in one place after another by h5py; yield what was done while it is so."""
    whole, chosen = path.read_bytes(), random.Random(seed)
    for k in range(number):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            said = KINDS[k % len(KINDS)](file, chosen)
        yield said
    path.write_bytes(whole)


def _entry(file: h5py.File, chosen: random.Random) -> str:
    """Change one entry of one array."""
    name = chosen.choice(sorted(n for n in file if file[n].size))
    stored = file[name]
    flat = stored[...].ravel()
    at = chosen.randrange(len(flat))
    if flat.dtype.kind == "f":
        new = chosen.choice([np.nan, np.inf, 0.5, -flat[at], flat[at] + 1e-9, 1e30])
        flat[at] = flat[at] + 1.0 if new == flat[at] else new
    else:
        flat[at] = chosen.choice([999, flat[at] + 1, flat[at] - 1])
    stored[...] = flat.reshape(stored.shape)
    return f"{name}[{at}] = {flat[at]}"


def _attribute(file: h5py.File, chosen: random.Random) -> str:
    """Change one attribute of the file."""
    name = chosen.choice(sorted(n for n in file.attrs if n not in ("schema", "_NCProperties")))
    value = file.attrs[name]
    digits = [k for k, letter in enumerate(str(value)) if letter.isdigit()]
    if not isinstance(value, str):
        new = chosen.choice([value + 1, -value - 1, 0.3])
    elif digits:
        k = chosen.choice(digits)
        new = value[:k] + str((int(value[k]) + 1) % 10) + value[k + 1 :]
    else:
        new = value + "x"
    file.attrs[name] = new
    return f"attribute {name} = {new!r}"


def _removal(file: h5py.File, chosen: random.Random) -> str:
    """Remove an array or an attribute."""
    if chosen.random() < 0.5:
        name = chosen.choice(sorted(file.attrs))
        del file.attrs[name]
        return f"without attribute {name}"
    name = chosen.choice(sorted(file))
    del file[name]
    return f"without {name}"


def _exchange(file: h5py.File, chosen: random.Random) -> str:
    """Give one array the name of another, or its values with another type."""
    first, second = chosen.sample(sorted(file), 2)
    file.move(first, "aside")
    file.move(second, first)
    file.move("aside", second)
    return f"{first} <-> {second}"


def _shape(file: h5py.File, chosen: random.Random) -> str:
    """Replace an array by one that is shorter or of another type."""
    name = chosen.choice(sorted(n for n in file if file[n].ndim))
    values = file[name][...]
    values = values[:-1] if chosen.random() < 0.5 else values.astype(np.float32)
    del file[name]
    file.create_dataset(name, data=values)
    return f"{name}: shape {values.shape}, type {values.dtype}"


def _addition(file: h5py.File, chosen: random.Random) -> str:
    """Add an attribute."""
    file.attrs["note"] = "of somebody"
    return "with a note"


KINDS: tuple[Callable[[h5py.File, random.Random], str], ...] = (
    _entry, _attribute, _entry, _removal, _entry, _exchange, _attribute, _shape, _entry, _addition,
)  # fmt: skip


def same_contents(first: storage.Contents, second: storage.Contents) -> bool:
    """Return whether all that two files hold is the same, bit for bit."""
    if dict(first.attributes) != dict(second.attributes):
        return False
    if first.variables.keys() != second.variables.keys():
        return False
    for name, one in first.variables.items():
        other = second.variables[name]
        a, b = np.asarray(one.values), np.asarray(other.values)
        kind = (a.dtype, a.shape, tuple(one.dimensions), dict(one.attributes))
        if kind != (b.dtype, b.shape, tuple(other.dimensions), dict(other.attributes)):
            return False
        if a.tobytes() != b.tobytes():
            return False
    return True
