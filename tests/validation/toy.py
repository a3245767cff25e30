"""A system that the package does not have: what the shared rooms are tried on."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from dmft.solution import Solution, Status
from validation.ensemble import Ensemble


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class Relaxation(Solution):
    """A solution of no system of the package: loss exp(-t), angle sin(t), and K(t, t')."""

    system = "relaxation"
    title = "Relaxation"
    long_names: ClassVar = {"loss": "loss"}
    scalars = ("loss",)

    def columns(self, t):
        return {"loss": np.exp(-np.asarray(t))}

    def at(self, t=None):
        return SimpleNamespace(angle=np.sin(t))

    def K(self, t, t_prime):
        return np.exp(-(t - t_prime))


def relaxation():
    t = np.linspace(0.0, 4.0, 5)
    return Relaxation(
        model=None, method="exact", t=t, series={"loss": np.exp(-t)}, status=Status.FINISHED,
        message="", errors={}, stats={}, provenance={},
    )  # fmt: skip


def drawn(size, seeds, n, slope=0.0, factor=1.0, seed=0):
    """Runs that scatter by `size` around the solution, with a term slope/N."""
    rng, t = np.random.default_rng(seed), np.array([0.0, 1.0, 2.0])
    loss = factor * np.exp(-t) + slope / n + size * rng.standard_normal((seeds, 3))
    return Ensemble(n, t, {"loss": loss})
