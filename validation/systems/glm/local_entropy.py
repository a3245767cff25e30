"""Metropolis sampling on the sphere, against :func:`dmft.systems.glm.theory.mixture.local_entropy`.

On a drawn training set w = cos sqrt(N) e + sin u, where e points along the reference and u, of
length sqrt(N), is orthogonal to it.  A move turns u into the direction of u + step g, g a Gaussian
vector orthogonal to e, and is accepted with probability min(1, exp(-beta change of the number of
training errors)); such moves are as likely as their inverse.  Two chains per training set give
p = w.w'/N.  The potential itself follows from dphi/dbeta = -alpha error, an identity of the theory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.glm.model import GaussianMixture
from dmft.systems.glm.theory import mixture
from validation.extrapolation import extrapolate
from validation.statistics import Verdict, judge, mean_and_scatter, standard_error
from validation.systems.glm._metropolis import metropolis
from validation.systems.glm.erm import Comparison, draw, minimise_weights

__all__ = ["QUANTITIES", "Chains", "Endpoint", "compare", "repeat", "sample"]

Array = NDArray[np.float64]

QUANTITIES = ("train_error", "m", "p")


@dataclass(frozen=True)
class Chains:
    """How the sphere is sampled.

    Attributes
    ----------
    steps, burn_in : int
        Moves that are averaged over, and moves before them.
    step : float
        Size of a move relative to u.  At alpha = 1.5 and beta = 2, of the moves with 0.03, 0.06 and
        0.1, 54, 31 and 18 % are accepted for N = 100, and 34, 13 and 5 % for N = 200: step^2 times
        this is about the same for 0.06 and 0.1, and less for 0.03.
    every : int
        One of so many states enters p.
    """

    steps: int = 20000
    burn_in: int = 5000
    step: float = 0.06
    every: int = 20

    @classmethod
    def of(cls, n: int) -> Chains:
        """Return chains that are long enough for N = n.

        A chain forgets its start in 2/(step^2 x accepted part) moves, about 20 N of them: 1800 for
        N = 100 and 4300 for N = 200.  With 5000 moves before the average, N = 200, 40 training sets
        around the square loss had an error of 0.0847 +- 0.0014 instead of 0.0808 +- 0.0012.
        """
        return cls(steps=150 * n, burn_in=120 * n)

    def __post_init__(self) -> None:
        checks.integer("steps", self.steps, low=1)
        checks.integer("burn_in", self.burn_in, low=0)
        checks.positive_number("step", self.step)
        checks.integer("every", self.every, low=1)


class Endpoint(NamedTuple):
    """Averages over the chains on one training set."""

    train_error: float
    m: float
    p: float
    accepted: float


def sample(
    model: GaussianMixture, reference: str, cos: float, beta: float, n: int,
    rng: np.random.Generator, chains: Chains | None = None,
) -> Endpoint:  # fmt: skip
    """Draw a training set and return what two chains on it measure."""
    chains = Chains.of(n) if chains is None else chains
    drawn = draw(model, n, rng)
    inputs = np.ascontiguousarray(drawn.y[:, None] * drawn.x)
    if reference == "hebb":
        e = inputs.sum(axis=0)
    else:
        e, _ = minimise_weights(replace(model, loss=reference), drawn)
    e = e / np.linalg.norm(e)
    moves = chains.burn_in + chains.steps
    skip = chains.burn_in // chains.every
    one, other = (
        metropolis(inputs, e, cos, beta, moves, chains.step, chains.every, rng) for _ in range(2)
    )
    first, second = one[0][skip:], other[0][skip:]
    return Endpoint(
        float(np.mean([run[1][chains.burn_in :].mean() for run in (one, other)])),
        float(0.5 * (first.mean() + second.mean())),
        # The chains are independent, so that their mean states may be multiplied.
        float(first.mean(axis=0) @ second.mean(axis=0)) / n,
        (one[2] + other[2]) / (2.0 * moves),
    )


def repeat(
    model: GaussianMixture, reference: str, cos: float, beta: float, n: int, seeds: int,
    chains: Chains | None = None, root_seed: int = 0,
) -> Array:  # fmt: skip
    """Return training error, m and p of several training sets, shape (seeds, 3)."""
    streams = np.random.SeedSequence([root_seed, n]).spawn(seeds)
    found = [
        sample(model, reference, cos, beta, n, np.random.default_rng(stream), chains)
        for stream in streams
    ]
    return np.array([[one.train_error, one.m, one.p] for one in found])


def compare(
    model: GaussianMixture, reference: str, cos: float, beta: float, sizes: Mapping[int, int],
    chains: Chains | None = None, root_seed: int = 0,
) -> Comparison:  # fmt: skip
    """Compare the theory with chains at several N (N -> training sets), extrapolated in 1/N.

    With one size there is no extrapolation.  The verdict is "disagree" by chance in less than one
    of 1000 comparisons.

    Raises
    ------
    ValueError
        The theory has no saddle point, or fewer than two training sets of one size.
    """
    theory = mixture.local_entropy(model, reference, cos=cos, beta=beta)
    if not theory.success:
        raise ValueError(f"model = {model!r} is not allowed: {theory.message}")
    expected = np.array([theory.train_error, theory.m, theory.p])
    samples = [
        repeat(model, reference, cos, beta, n, seeds, chains, root_seed)
        for n, seeds in sizes.items()
    ]
    limit, scatter, freedom = _limit(list(sizes), samples)
    verdict: Verdict = judge(limit - expected, scatter, freedom)
    return Comparison(QUANTITIES, expected, limit, standard_error(scatter), verdict)


def _limit(sizes: list[int], samples: list[Array]) -> tuple[Array, Array, float]:
    """Return the mean at N = infinity, or of the only N, its scatter and degrees of freedom."""
    if len(sizes) == 1:
        return mean_and_scatter(samples[0])
    fit = extrapolate(sizes, samples)
    return fit.limit, fit.scatter, fit.freedom
