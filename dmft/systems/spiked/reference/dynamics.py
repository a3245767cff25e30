"""Tables of the dynamics: how each part is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dmft.run.stop import OverlapReached
from dmft.solution import finished
from dmft.systems.spiked.analysis import relaxation as relaxing
from dmft.systems.spiked.analysis import scans, threshold
from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture, from_channels
from dmft.systems.spiked.observables import escape_time
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from dmft.tables import Columns

Array = NDArray[np.float64]
Quantity = Callable[[SpikedSolution, Array], Array]


class Case(NamedTuple):
    """A run from an overlap at a constant temperature."""

    channels: dict[int, float]
    m0: float = 0.0
    T: float = 0.0

    def keys(self, size: int) -> Columns:
        """Return the columns that name the run, for `size` rows."""
        return {
            "channels": np.full(size, self.model.spelling),
            "m0": np.full(size, self.m0),
            "T": np.full(size, self.T),
        }

    @property
    def model(self) -> SpikedMixture:
        """The model."""
        return from_channels(self.channels)


SHORT_TIMES = np.array([1.0, 2.0, 5.0, 10.0, 20.0])
SHORT_TOL, SHORT_ERROR = 1e-10, 1e-10
SHORT = {
    "2+3, T=0": Case({2: 0.7, 3: 1.0}, m0=0.1),
    "2+3, T=1": Case({2: 0.7, 3: 1.0}, m0=0.1, T=1.0),
    "2+3, low noise": Case({2: 1.0 / 3.0, 3: 1.0}, m0=0.01),
    "2+3, no spike": Case({2: 0.7, 3: 1.0}),
    "2+4, T=0": Case({2: 0.7, 4: 1.0}, m0=0.1),
    "2+4, T=0.5": Case({2: 1.0 / 3.0, 4: 4.0}, m0=0.05, T=0.5),
    "2+3+4": Case({2: 0.9, 3: 1.5, 4: 2.0}, m0=0.2, T=0.5),
    "3": Case({3: 1.0}),
    "3, T=0.5": Case({3: 1.0}, T=0.5),
    "4": Case({4: 1.0}),
}


def short(case: Case) -> Callable[[], Columns]:
    """Return what computes the rows of a run to t = 20."""

    def make() -> Columns:
        t = SHORT_TIMES
        run = solve(
            case.model, float(t[-1]), m0=case.m0, T=case.T, method="dense", tol=SHORT_TOL,
            progress=False,
        )  # fmt: skip
        at = finished(run).at(t)
        return {
            **case.keys(len(t)), "t": t, "m": at.m, "mu": at.mu, "e": at.e,
            "C_t_0": run.C(t, 0.0), "C_t_half": run.C(t, 0.5 * t), "R_t_half": run.R(t, 0.5 * t),
        }  # fmt: skip

    return make


LONG_END = 1e8
# The error at t is the largest difference to a coarser run within the decade before t, no less than
# rounding.  The coarser run must have other panels: what the panels leave out makes most of the
# error of C at late times (five times that of steps and tolerance, orders 3 and 4 at 1e8).
FINE, COARSE = "tight", "default"
DECADE = np.geomspace(0.1, 1.0, 13)
ROUNDING = 1e-13


def pair(case: Case) -> tuple[SpikedSolution, SpikedSolution]:
    """Return a run to LONG_END and a coarser one."""
    fine, coarse = (
        finished(solve(case.model, LONG_END, m0=case.m0, T=case.T, preset=preset, progress=False))
        for preset in (FINE, COARSE)
    )
    return fine, coarse


def errors_at(
    fine: SpikedSolution, coarse: SpikedSolution, t: Array, value: Quantity,
    *, relative: bool = False,
) -> Array:  # fmt: skip
    """Return the errors of a quantity at times t (n,), from the difference to a coarser run.

    With `relative` the differences are taken relative to the quantity at their time; this is meant
    for an overlap that grows by orders of magnitude within a decade.
    """
    times = t[:, None] * DECADE
    here, there = value(fine, times), value(coarse, times)
    off = np.abs(here - there)
    if not relative:
        floor = ROUNDING * np.maximum(1.0, np.abs(value(fine, t)))
        return np.asarray(np.maximum(off.max(axis=1), floor))
    share = off / np.where(here == 0.0, 1.0, np.abs(here))
    return np.asarray(np.abs(value(fine, t)) * np.maximum(share.max(axis=1), ROUNDING))


QUANTITIES: dict[str, Quantity] = {
    "m": lambda s, t: np.asarray(s.at(t).m),
    "mu": lambda s, t: np.asarray(s.at(t).mu),
    "e": lambda s, t: np.asarray(s.at(t).e),
    "C_t_0": lambda s, t: np.asarray(s.C(t, 0.0 * t)),
    "C_t_half": lambda s, t: np.asarray(s.C(t, 0.5 * t)),
}
# Quantities that have a local exponent, and the quantity whose error gives that of the exponent.
EXPONENTS = {"mu_gap": "mu", "e_gap": "e", "C_t_0": "C_t_0"}
ERRORS = (
    f"errors: the largest difference to a run with preset={COARSE!r} within the decade before t (of"
    " m: relative)"
)


LONG = {
    "3, no spike": Case({3: 1.0}),
    "4, no spike": Case({4: 1.0}),
    "2+3, no spike": Case({2: 1.0, 3: 1.0}),
    "2+4, no spike": Case({2: 1.0, 4: 1.0}),
    "3+4, no spike": Case({3: 1.0, 4: 1.0}),
    "2+3, below": Case({2: 1.0, 3: 4.0}, m0=1e-10),
    "2+3, above": Case({2: 0.4, 3: 4.0}, m0=1e-10),
    "2+3, T=1 reached": Case({2: 0.7, 3: 1.0}, m0=0.1, T=1.0),
}


def long(case: Case) -> Callable[[], Columns]:
    """Return what computes the rows of a run to t = 1e8."""

    def make() -> Columns:
        run, coarse = pair(case)
        t = 10.0 ** np.arange(round(math.log10(LONG_END)) + 1.0)
        values = {name: value(run, t) for name, value in QUANTITIES.items()}
        errors = {
            f"{name}_error": errors_at(run, coarse, t, value, relative=name == "m")
            for name, value in QUANTITIES.items()
        }
        return {**case.keys(len(t)), "t": t, **values, **errors}

    return make


ESCAPES = ((3, 4.0, 2.5), (3, 4.0, 2.0), (3, 4.0, 1.6), (3, 4.0, 1.5), (4, 4.0, 2.5), (4, 4.0, 2.0))
ESCAPE_M0, ESCAPE_LEVEL = 1e-10, 0.1


def escape(p: int, delta_p: float, inverse: float) -> Callable[[], Columns]:
    """Return what computes the escape time of one model."""

    def make() -> Columns:
        model, found = SpikedMatrixTensor(p, 1.0 / inverse, delta_p), []
        for tol in (1e-6, 1e-5):
            run = solve(
                model, 1e6, m0=ESCAPE_M0, tol=tol, stop=OverlapReached(2.0 * ESCAPE_LEVEL),
                progress=False,
            )  # fmt: skip
            found.append(escape_time(finished(run), ESCAPE_LEVEL))
        values = {
            "p": p, "delta_p": delta_p, "inv_delta_2": inverse, "m0": ESCAPE_M0,
            "level": ESCAPE_LEVEL, "t_escape": found[0],
            "t_escape_error": max(abs(found[0] - found[1]), 1e-6 * found[0]),
        }  # fmt: skip
        return {name: np.array([value]) for name, value in values.items()}

    return make


RELAXATION = {
    "3": Case({3: 1.0}),
    "4": Case({4: 1.0}),
    "2+3": Case({2: 1.0, 3: 1.0}),
    "3+4": Case({3: 1.0, 4: 1.0}),
    "2+4": Case({2: 1.0, 4: 1.0}),
}


def relaxation(case: Case) -> Callable[[], Columns]:
    """Return what computes the relaxation of one run without a spike."""

    def make() -> Columns:
        run, coarse = pair(case)
        table = relaxing.relaxation_tables([run])
        del table["C_error"]
        for quantity in ("mu", "e", "C_t_0", "C_t_half"):
            table[f"{quantity}_error"] = errors_at(run, coarse, table["t"], QUANTITIES[quantity])
        for gap, quantity in EXPONENTS.items():
            # d ln x = dx/x at both ends of the decade.
            share = table[f"{quantity}_error"] / np.abs(table[gap])
            both = (share[1:] + share[:-1]) / math.log(10.0)
            table[f"{gap}_exponent_error"] = np.concatenate([[np.nan], both])
        return table

    return make


SCANS = ((3, 0.5), (3, 1.0), (3, 4.0), (4, 1.0), (4, 4.0))


# Errors of the growth are the differences to a run with these options: other panels, other steps.
GROWTH_COARSE = "loose"
# What a column is multiplied by before the largest difference of the decade before is taken: t G,
# the local exponent of a power law, changes little within it, while G itself decays.
GROWTH_SCALE: dict[str, Callable[[Array], Array]] = {"G": lambda t: t}

GROWTH_ERRORS = (
    f"errors: the largest difference to a run with preset={GROWTH_COARSE!r} within the decade"
    " before t (of growth_rate: of t times it)"
)


def growth(p: int, delta_p: float, offset: float) -> Callable[[], Columns]:
    """Return what computes the growth rates of one run of a scan, with their errors."""

    def make() -> Columns:
        end = scans.OFFSETS[offset]
        x = scans.Scan(p, delta_p, ()).bbp * (1.0 + offset)
        fine = scans.growth_run(p, delta_p, x, end)
        model = SpikedMatrixTensor(p, 1.0 / x, delta_p)
        coarse = solve(model, end, m0=0.0, preset=GROWTH_COARSE, threads=1, progress=False)
        other = scans.grown_on(finished(coarse), x, fine.t)
        table = scans.scan_table(scans.Scan(p, delta_p, (fine,)))
        return table | growth_errors(fine, other)

    return make


def _two_digits(errors: Array) -> Array:
    """Return errors to two digits, which are enough, and halve the table."""
    return np.array([float(f"{one:.2g}") for one in errors])


def growth_errors(fine: scans.GrowthRun, coarse: scans.GrowthRun) -> Columns:
    """Return the errors of a run's growth: the largest difference within the decade before t.

    The runs have at least the times of one decade.
    """
    errors = {}
    for key, name in scans.NAMES.items():
        if key == "t":
            continue
        scale = GROWTH_SCALE.get(key, np.ones_like)(fine.t)
        value = scale * getattr(fine, key)
        # Where only one of the two runs has a power law there is nothing to compare.
        off = np.nan_to_num(np.abs(value - scale * getattr(coarse, key)))
        off = np.maximum(off, ROUNDING * np.maximum(1.0, np.abs(np.nan_to_num(value))))
        decade = sliding_window_view(np.pad(off, (scans.PER_DECADE, 0)), scans.PER_DECADE + 1)
        found = _two_digits(decade.max(axis=1) / scale)
        # The first decade has no other before it: its rows have the error of its end.
        first = scans.PER_DECADE
        found[:first] = _two_digits(found[first] * scale[first] / scale[:first])
        errors[f"{name}_error"] = found
    return errors


def measured_threshold(scan: scans.Scan) -> Columns:
    """Return the row of one scan in the table of measured thresholds."""
    found = threshold.threshold(scan)
    values = {
        "p": scan.p, "delta_p": scan.delta_p, "inv_delta_2": found.inv_delta_2,
        "inv_delta_2_error": found.error, "inv_delta_2_bbp": scan.bbp,
    }  # fmt: skip
    return {name: np.array([value]) for name, value in values.items()}


def measured(p: int, delta_p: float) -> Callable[[], Columns]:
    """Return what measures one threshold."""

    def make() -> Columns:
        runs = tuple(scans.growth_runs(p, delta_p))
        return measured_threshold(scans.Scan(p, delta_p, runs))

    return make
