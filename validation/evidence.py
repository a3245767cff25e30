"""What a claim of the package rests on: theory, mean, standard error and z, and one verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.solution import Solution
from dmft.systems.spiked.model import SpikedMixture
from validation.compare import Verdict, judge, mean_and_scatter, standard_error
from validation.statistics import Comparison

__all__ = ["Evidence", "against", "compared", "judged", "name_of", "table_of"]

Array = NDArray[np.float64]
Table = dict[str, NDArray[Any]]

# Of a line in a figure.
POINTS = 201


@dataclass(frozen=True)
class Evidence:
    """What one claim rests on.

    Attributes
    ----------
    claim : str
        What is claimed.
    basis : str
        Model, N, number of seeds, protocol.
    table : dict of str to ndarray
        Columns quantity, t, t_prime, theory, mean, standard_error, z; NaN where one does not apply.
    verdict : str
        In words, with numbers.
    agree : bool
        Whether theory and simulation agree.
    curve : dict of str to ndarray
        Columns t, m, mu, e of the theory, for lines; empty where nothing depends on time.
    """

    claim: str
    basis: str
    table: Table
    verdict: str
    agree: bool
    curve: Table = field(default_factory=dict, repr=False)

    @property
    def largest_z(self) -> float:
        """Largest |z|; NaN where nothing scatters."""
        z = np.abs(self.table["z"])
        return float(np.nanmax(z)) if np.any(np.isfinite(z)) else math.nan

    def dump(self) -> str:
        """Return JSON that :meth:`parse` reads back to the same floats."""
        columns = {
            name: {key: values.tolist() for key, values in getattr(self, name).items()}
            for name in ("table", "curve")
        }
        texts = {name: getattr(self, name) for name in ("claim", "basis", "verdict")}
        return json.dumps(texts | {"agree": bool(self.agree)} | columns)

    @classmethod
    def parse(cls, text: str) -> Evidence:
        """Return what :meth:`dump` wrote."""
        found = json.loads(text)
        for name in ("table", "curve"):
            found[name] = {key: np.array(values) for key, values in found[name].items()}
        return cls(**found)


def table_of(quantity: Sequence[str], theory: Any, mean: Any, error: Any, t: Any = np.nan) -> Table:
    theory, mean, error = (np.asarray(x, dtype=np.float64) for x in (theory, mean, error))
    size = len(quantity)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0.0, (mean - theory) / error, np.nan)
    return {
        "quantity": np.array(quantity), "t": np.broadcast_to(t, size).astype(float),
        "t_prime": np.full(size, np.nan), "theory": theory, "mean": mean,
        "standard_error": error, "z": z,
    }  # fmt: skip


def against(
    names: list[str], expected: Sequence[float], sample: Array, t: Any = np.nan
) -> tuple[Table, Verdict]:
    """Compare the mean of a sample, shape (n_seeds, n_entries), with what is expected."""
    mean, scatter, freedom = mean_and_scatter(sample)
    verdict = judge(mean - np.asarray(expected), scatter, freedom)
    return table_of(names, expected, mean, standard_error(scatter), t), verdict


def compared(claim: str, basis: str, theory: Solution, result: Comparison) -> Evidence:
    found = result.table
    mean = found.get("mean", found.get("limit"))
    assert mean is not None
    if "correction" in found:
        mean = mean - found["correction"]
    table = {
        "quantity": found["quantity"], "t": found["t"],
        "t_prime": found.get("t_prime", np.full(len(mean), np.nan)), "theory": found["theory"],
        "mean": mean, "standard_error": found["standard_error"], "z": found["z"],
    }  # fmt: skip
    t = np.linspace(0.0, float(np.max(found["t"])), POINTS)
    at = theory.at(t)
    curve = {"t": t, "m": at.m, "mu": at.mu, "e": at.e}
    return Evidence(claim, basis, table, str(result.verdict), result.verdict.agree, curve)


def judged(claim: str, basis: str, table: Table, verdict: Verdict) -> Evidence:
    return Evidence(claim, basis, table, str(verdict), verdict.agree)


def name_of(model: SpikedMixture) -> str:
    return ", ".join(f"Delta_{p} = {delta:.4g}" for p, delta in model.channels.items())
