"""Memory of a run, known before it is allocated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from dmft.systems.glm.gaussians import BLOCK
from dmft.systems.glm.responses import rows_of_others

__all__ = ["Use", "available", "check", "needed"]

# Fraction of the free memory that a run may take: the rest is for the arrays of single steps.
SHARE = 0.8
# Gaussians per path of smooth fields, at least this or half the steps: 47 were seen for 80 steps
# and 190 for 400 (phase retrieval).
SMOOTH_RANK = 100
GB = 1e9


class Use(NamedTuple):
    """What decides how much memory a run takes.

    Attributes
    ----------
    steps, paths, response_paths, replicas, stride : int
        As in :class:`dmft.systems.glm.descent.StepOptions`.
    noisy : bool
        Whether the algorithm is noisy, so that each step has a Gaussian of its own.
    single : bool
        Whether forces and responses are kept in single precision.
    """

    steps: int
    paths: int
    response_paths: int
    replicas: int
    stride: int
    noisy: bool
    single: bool


def needed(use: Use) -> float:
    """Return the bytes that a run takes."""
    rows, size = use.steps + 1, 4.0 if use.single else 8.0
    rank = rows if use.noisy else min(rows, max(SMOOTH_RANK, rows // 2))
    # The store of Gaussians is doubled, and is there twice while that is done.
    one = use.paths * (size * rows + 8.0 * (3 * rank + 2 * BLOCK + 12)) + 10 * 8.0 * rows**2
    responses = use.response_paths * rows * (rows + 1) / 2
    if use.stride > 0:
        others = rows_of_others(use.steps, use.stride)
        responses += (use.paths - use.response_paths) * others
    return use.replicas * (one + size * responses)


def available() -> float:
    """Return the bytes that are free; infinity where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    except OSError:
        pass
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES")) * float(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def check(use: Use, limit: float | None) -> float:
    """Return the bytes that a run takes; refuse one that does not fit.

    Raises
    ------
    ValueError
        It takes more than `limit` bytes, or than is free; the number of paths that does fit is
        named.
    """
    most = SHARE * available() if limit is None else limit
    total = needed(use)
    if total <= most:
        return total
    said = f"{total / GB:.2g} GB are needed for {use.steps} steps,"
    raise ValueError(_too_much(use, most, f"{said} and {most / GB:.2g} GB can be used"))


def _too_much(use: Use, most: float, said: str) -> str:
    """Return the sentence about a run that does not fit: which option is too large, and what fits.

    A longer stride costs least, then fewer paths with responses, then fewer paths.
    """
    less = use
    while less.stride > 0 and less.stride < use.steps and needed(less) > most:
        less = less._replace(stride=2 * less.stride)
    if needed(less) <= most:
        return f"response_stride = {use.stride} is not allowed: {said}; with {less.stride} they fit"
    while less.response_paths > 1 and needed(less) > most:
        less = less._replace(response_paths=less.response_paths // 2)
    if needed(less) <= most:
        with_stride = f" with response_stride = {less.stride}" if less.stride > 0 else ""
        refused = f"response_paths = {use.response_paths} is not allowed: {said};"
        return f"{refused} {less.response_paths} fit{with_stride}"
    less = use
    while less.paths > 1 and needed(less) > most:
        paths = less.paths // 2
        less = less._replace(paths=paths, response_paths=min(paths, use.response_paths))
    if needed(less) <= most:
        fit = f"{less.paths} with response_paths = {less.response_paths} fit"
        return f"paths = {use.paths} is not allowed: {said}; {fit}"
    return f"step is not allowed: {said}, even with a single path; take fewer steps"
