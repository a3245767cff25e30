"""Approximate message passing (AMP) on a stored instance, against its state evolution.

With ``B(x) = -grad H(x) - r x_previous``, each iteration is

    maximum likelihood: x' = sqrt(N) B/|B|,     sigma' = sqrt(N)/|B|,
    Bayes-optimal:      x' = sigma' B,          sigma' = 1/(1 + S),   S + S^2 = |B|^2/N,
    r = sigma sum_p (p-1)/Delta_p (x.x_previous/N)^(p-2)

(arXiv:1902.00139; arXiv:1812.09066), from x_previous = 0.  As N grows, the overlaps m = x.x*/N
follow :func:`dmft.systems.spiked.theory.state_evolution.ml` or ``bayes``.

For Bayes-AMP S is Q'(q), q = |x|^2/N, which is also Q'(m).  It is taken from |B|, not from q as in
the papers: there a deviation of q from m, of order 1/sqrt(N), can grow from one iteration to the
next (by a factor of -1.55 at the fixed point of p = 3 alone, Delta_3 = 0.1); here it shrinks.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.spiked.model import SpikedMixture
from validation.systems.spiked.instances import draw
from validation.systems.spiked.stored import Loss

__all__ = ["Overlaps", "endpoints", "run"]

Array = NDArray[np.float64]
Kind = Literal["ml", "bayes"]


class Overlaps(NamedTuple):
    """Overlap m = x.x*/N and self-overlap q = |x|^2/N after 0, 1, ... iterations."""

    m: Array
    q: Array

    @property
    def mse(self) -> Array:
        """|x - x*|^2/N."""
        return np.asarray(1.0 - 2.0 * self.m + self.q)


def run(loss: Loss, kind: Kind, steps: int) -> Overlaps:
    """Iterate AMP from the start x0 of an instance, which has the overlap m0.

    Parameters
    ----------
    loss : Loss
        A drawn instance; any mixture that can be drawn.
    kind : {"ml", "bayes"}
        Maximum likelihood starts at x0, overlap m0.  Bayes starts at m0 x0: its overlap and
        self-overlap are both m0^2, as Bayes-optimality asks for.
    steps : int
        Number of iterations, >= 0.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    if kind not in ("ml", "bayes"):
        raise ValueError(f"kind = {kind!r} is not allowed: it must be 'ml' or 'bayes'")
    steps = checks.integer("steps", steps, low=0)
    instance = loss.instance
    model, n, x_star = instance.model, instance.n, instance.x_star
    m0 = float(instance.x0 @ x_star) / n
    x = instance.x0 if kind == "ml" else m0 * instance.x0
    previous, sigma = np.zeros(n), 0.0
    rows = [(float(x @ x_star) / n, float(x @ x) / n)]
    for _ in range(steps):
        reaction = sigma * float(model.d2Q(float(x @ previous) / n))
        B = loss.force(x) - reaction * previous
        sigma = _scale(float(B @ B) / n, kind)
        previous, x = x, sigma * B
        rows.append((float(x @ x_star) / n, float(x @ x) / n))
    return Overlaps(*np.array(rows).T)


def endpoints(
    model: SpikedMixture,
    *,
    n: int,
    seeds: int,
    m0: float,
    kind: Kind,
    steps: int,
    root_seed: int = 1,
) -> Array:
    """Return the overlaps after `steps` iterations on `seeds` independent instances, (seeds,).

    Parameters are those of `draw` (in ``instances``) and :func:`run`; instance k has the k-th child
    of ``SeedSequence(root_seed)``.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the couplings do not fit memory.
    """
    seeds = checks.integer("seeds", seeds, low=1)
    children = (np.random.SeedSequence(root_seed, spawn_key=(k,)) for k in range(seeds))
    return np.array([run(Loss(draw(model, n, m0, child)), kind, steps).m[-1] for child in children])


def _scale(square: float, kind: Kind) -> float:
    """Return sigma from |B|^2/N: 1/|B| or 1/(1 + S)."""
    if kind == "ml":
        return 1.0 / math.sqrt(square)
    return 2.0 / (1.0 + math.sqrt(1.0 + 4.0 * square))
