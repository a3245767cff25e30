"""Memory of a run, known before it is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from dmft.systems.glm.gaussians import BLOCK

__all__ = ["available", "check", "needed"]

# Fraction of the free memory that a run may take: the rest is for the arrays of single steps.
SHARE = 0.8
# Gaussians per path of smooth fields, at least this or half the steps: 47 were seen for 80 steps
# and 190 for 400 (phase retrieval).
SMOOTH_RANK = 100
GB = 1e9


def needed(
    steps: int, paths: int, response_paths: int, replicas: int, *, noisy: bool, single: bool
) -> float:
    """Return the bytes that a run takes.

    Parameters
    ----------
    steps, paths, response_paths, replicas : int
        As in :func:`dmft.solve`.
    noisy : bool
        Whether the algorithm is noisy, so that each step has a Gaussian of its own.
    single : bool
        Whether responses are kept in single precision.
    """
    rows = steps + 1
    rank = rows if noisy else min(rows, max(SMOOTH_RANK, rows // 2))
    # The store of Gaussians is doubled, and is there twice while that is done.
    one = 8.0 * paths * (rows + 3 * rank + 2 * BLOCK + 12) + 6 * 8.0 * rows**2
    return replicas * (one + (4.0 if single else 8.0) * response_paths * rows * (rows + 1) / 2)


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


def check(
    steps: int, paths: int, response_paths: int, replicas: int, *, noisy: bool, single: bool,
    limit: float | None,
) -> float:  # fmt: skip
    """Return the bytes that a run takes; refuse one that does not fit.

    Raises
    ------
    ValueError
        It takes more than `limit` bytes, or than is free; the number of paths that does fit is
        named.
    """
    most = SHARE * available() if limit is None else limit

    def takes(more: int, followed: int) -> float:
        return needed(steps, more, followed, replicas, noisy=noisy, single=single)

    total = takes(paths, response_paths)
    if total <= most:
        return total
    said = f"{total / GB:.2g} GB are needed for {steps} steps, and {most / GB:.2g} GB can be used"
    fitting = response_paths
    while fitting > 1 and takes(paths, fitting) > most:
        fitting //= 2
    if takes(paths, fitting) <= most:
        raise ValueError(f"response_paths = {response_paths} is not allowed: {said}; {fitting} fit")
    both = paths
    while both > 1 and takes(both, min(both, response_paths)) > most:
        both //= 2
    raise ValueError(
        f"paths = {paths} is not allowed: {said};"
        f" {both} with response_paths = {min(both, response_paths)} fit"
        if takes(both, min(both, response_paths)) <= most
        else f"step is not allowed: {said}, even with a single path; take fewer steps"
    )
