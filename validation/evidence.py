"""What a claim of the package rests on: model, N, seeds, theory, mean, z, and one verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import norm

from dmft.solution import Solution
from dmft.tables import Columns
from validation.comparison import Comparison
from validation.statistics import DISAGREE_BELOW, Finding, sigmas

__all__ = ["SEEN", "Claim", "Evidence", "evidence_of", "wrong_on_purpose"]

# Number of times at which a line of a figure is drawn.
POINTS = 201
# A deliberate error counts as seen where it is rejected at so many standard deviations.
SEEN = 5.0
# Beyond this many the p-value, 1e-316, is 0 in floating-point numbers.
MOST = 38.0
WORDS = {Finding.AGREE: "holds", Finding.UNDECIDED: "undecided", Finding.DISAGREE: "FAILS"}


@dataclass(frozen=True)
class Evidence:
    """What one claim rests on.

    Attributes
    ----------
    claim : str
        What is claimed.
    model : str
        The model, with its parameters.
    setting : str
        Start, protocol, and how it was simulated.
    seeds : mapping of float to int
        N -> number of independent runs; empty if nothing is drawn at a finite N.
    table : dict of str to ndarray
        Columns quantity, t, t_prime, theory, mean, standard_error, z; NaN where one does not apply.
    verdict : str
        The verdict in words, with numbers.
    finding : Finding
        The answer of the verdict.
    false_alarm : float
        How often chance alone gives the bad answer, at most: that a right theory FAILS, or that an
        error is seen where there is none.  NaN where nothing is drawn.
    curve : dict of str to ndarray
        Columns t and quantities of the theory, for lines; empty where nothing depends on time.
    """

    claim: str
    model: str
    setting: str
    seeds: Mapping[float, int]
    table: Columns
    verdict: str
    finding: Finding
    false_alarm: float = DISAGREE_BELOW
    curve: Columns = field(default_factory=dict, repr=False)

    @property
    def basis(self) -> str:
        """Model, setting, N and seeds in one line."""
        drawn = ", ".join(f"{count} seeds at N = {n:g}" for n, count in self.seeds.items())
        return "; ".join(filter(None, (self.model, self.setting, drawn)))

    @property
    def word(self) -> str:
        """The finding as a word: holds, undecided or FAILS."""
        return WORDS[self.finding]

    @property
    def fails(self) -> bool:
        """Whether the claim is refuted."""
        return self.finding is Finding.DISAGREE

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
        texts = {name: getattr(self, name) for name in ("claim", "model", "setting", "verdict")}
        seeds = [[float(n), int(count)] for n, count in self.seeds.items()]
        alarm = None if math.isnan(self.false_alarm) else self.false_alarm
        told = {"seeds": seeds, "finding": self.finding.name, "false_alarm": alarm}
        return json.dumps(texts | told | columns)

    @classmethod
    def parse(cls, text: str) -> Evidence:
        """Return what :meth:`dump` wrote."""
        found = json.loads(text)
        for name in ("table", "curve"):
            found[name] = {key: np.array(values) for key, values in found[name].items()}
        found["seeds"] = dict(found["seeds"])
        found["finding"] = Finding[found["finding"]]
        alarm = found.pop("false_alarm")
        found["false_alarm"] = math.nan if alarm is None else alarm
        return cls(**found)


# A claim solves, simulates and compares; its argument asks for few seeds.
Claim = Callable[[bool], Evidence]


def evidence_of(
    claim: str, model: str, setting: str, seeds: Mapping[float, int], result: Comparison,
    theory: Solution | None = None,
) -> Evidence:  # fmt: skip
    """Return the evidence of a comparison, with the lines of the theory if it is a run in time."""
    found = result.table
    mean = found["limit"] if "limit" in found else found["mean"]
    table = {
        "quantity": found["quantity"], "t": found["t"],
        "t_prime": found.get("t_prime", np.full(len(mean), np.nan)), "theory": found["theory"],
        "mean": mean, "standard_error": found["standard_error"], "z": found["z"],
    }  # fmt: skip
    curve: Columns = {}
    if theory is not None:
        t = np.linspace(0.0, float(np.max(found["t"])), POINTS)
        drawn = dict.fromkeys(found["quantity"].tolist())
        curve = {"t": t} | {k: v for k, v in theory.columns(t).items() if k in drawn}
    verdict = f"{result.verdict}; {result.verdict.reason}"
    finding = result.verdict.finding
    return Evidence(claim, model, setting, seeds, table, verdict, finding, curve=curve)


def wrong_on_purpose(found: Evidence, p_value: float, claim: str, asked: float = SEEN) -> Evidence:
    """Return the evidence that a deliberate error of the theory is seen, as a claim of its own.

    Parameters
    ----------
    found : Evidence
        The comparison of a simulation with the wrong theory.
    p_value : float
        Of that comparison.
    claim : str
        What is claimed: which error would be seen.
    asked : float, default 5
        Standard deviations at which it has to be rejected.
    """
    seen = sigmas(p_value)
    return replace(
        found, claim=claim, false_alarm=float(2.0 * norm.sf(asked)),
        setting=f"{found.setting}; the theory is wrong on purpose: large z is what is claimed",
        verdict=f"the wrong theory is rejected at {min(seen, MOST):.1f} sigma (asked: {asked:g})",
        finding=Finding.AGREE if seen > asked else Finding.DISAGREE,
    )  # fmt: skip
