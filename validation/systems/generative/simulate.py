"""Samples of AMP and of the spectral methods over many instances, with the theory beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.generative import theory
from dmft.systems.generative.model import SpikedGenerative
from validation.comparison import Comparison, compare_numbers
from validation.systems.generative.amp import run
from validation.systems.generative.compare import ensemble
from validation.systems.generative.instances import Instance
from validation.systems.generative.spectral import lamp, pca

__all__ = [
    "ROOT_SEED",
    "START",
    "STEPS",
    "Sample",
    "amp_sample",
    "compared",
    "path_sample",
    "simulate",
    "spectral_sample",
]

Array = NDArray[np.float64]

# AMP starts at this normalised overlap and has come to rest after so many iterations away from
# transitions.
START, STEPS = 0.3, 40
ROOT_SEED = 190512385


class Sample(NamedTuple):
    """What was measured on instances, and what the theory says.

    Attributes
    ----------
    names : list of str
        What each number is.
    theory : ndarray, shape (n_entries,)
        Its value as k grows.
    values : ndarray, shape (seeds, n_entries)
        One row for each instance.
    """

    names: list[str]
    theory: Array
    values: Array


def amp_sample(
    model: SpikedGenerative,
    *,
    k: int,
    seeds: int,
    steps: int = STEPS,
    start: float | None = START,
    root_seed: int = ROOT_SEED,
) -> Sample:
    """Return overlap and mean square error where AMP comes to rest.

    Parameters
    ----------
    model : SpikedGenerative
        The model; alpha k and beta p should be integers.
    k, seeds, steps : int
        Latent components, instances (>= 2), iterations.
    start : float, optional
        Normalised overlap of the start, in [0, 1); None: a random vector.
    root_seed : int
        Root of all random numbers.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    steps = checks.integer("steps", steps, low=1)

    def measure(instance: Instance, number: int) -> list[float]:
        path = run(instance, steps, start, np.random.SeedSequence((root_seed, number)))
        return [float(path.q_v[-1]), float(path.mse[-1])]

    values = ensemble(model, measure, k=k, seeds=seeds, root_seed=root_seed)
    point = theory.fixed_point(model, "uninformed" if start is None else "informed")
    return Sample(["q_v", "mse"], np.array([point.q_v, point.mmse]), values)


def path_sample(
    model: SpikedGenerative, *, k: int, seeds: int, steps: int, root_seed: int = ROOT_SEED
) -> Sample:
    """Return the overlap with the spike after 1, 2, ..., steps iterations of AMP from START."""

    def measure(instance: Instance, number: int) -> Array:
        path = run(instance, steps, START, np.random.SeedSequence((root_seed, number)))
        return path.q_v[1:]

    values = ensemble(model, measure, k=k, seeds=seeds, root_seed=root_seed)
    expected = theory.state_evolution(model, START, steps).q_v[1:]
    return Sample([f"q_v, iteration {t}" for t in range(1, steps + 1)], expected, values)


def spectral_sample(
    model: SpikedGenerative, *, k: int, seeds: int, root_seed: int = ROOT_SEED
) -> Sample:
    """Return squared overlap and largest eigenvalue of LAMP, and PCA's squared overlap.

    PCA is left out above its transition, where its overlap falls like its own scatter.

    Raises
    ------
    ValueError
        The noise is not below LAMP's transition, or the activation is relu, which has none.
    """
    limit = float(theory.critical_delta(model.alpha, model.activation, model.channel, model.beta))
    if model.mean == 0.0 and model.delta >= limit:
        raise ValueError(
            f"delta = {model.delta:g} is not allowed: it must be below the transition of LAMP,"
            f" {limit:g}, above which its eigenvector has no overlap with the spike"
        )
    blind = theory.pca_overlap(model)

    def measure(instance: Instance, number: int) -> list[float]:
        known = lamp(instance)
        return [known.overlap, known.largest, *([pca(instance).overlap] if blind > 0.0 else [])]

    values = ensemble(model, measure, k=k, seeds=seeds, root_seed=root_seed)
    names = ["LAMP overlap", "LAMP eigenvalue", "PCA overlap"][: values.shape[1]]
    return Sample(names, np.array([theory.lamp_overlap(model), 1.0, blind][: len(names)]), values)


def compared(samples: Sequence[Sample]) -> Comparison:
    """Compare samples of the same number of instances with the theory, all in one verdict."""
    names = [name for sample in samples for name in sample.names]
    expected = np.concatenate([sample.theory for sample in samples])
    return compare_numbers(names, expected, np.hstack([sample.values for sample in samples]))


def simulate(model: SpikedGenerative, *, k: int, seeds: int, root_seed: int) -> Array:
    """Return the mean square error of AMP on each instance: what the main job draws."""
    return amp_sample(model, k=k, seeds=seeds, root_seed=root_seed).values[:, 1]
