"""Commands that measure thresholds and exponents from the dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dmft.arguments import (
    OK,
    Force,
    Numbers,
    Whole,
    check_products,
    checkpoint_of,
    drawn,
    tabulated,
)

if TYPE_CHECKING:
    from dmft.systems.spiked.analysis.threshold import GrowthRun, Scan

__all__ = ["measure_relaxation", "measure_threshold"]


def measure_threshold(
    *,
    p: Whole,
    delta_p: Numbers,
    output: Path,
    t_end: float = 1e6,
    tol: float = 1e-6,
    plot: Path | None = None,
    workers: Whole = 1,
    force: Force = False,
) -> int:
    """Measure above which 1/Delta_2 gradient flow leaves the plateau, from growth rates of m.

    Each finished run is kept in OUTPUT.part; the same command goes on from there.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    delta_p
        Noise variances of the tensor channel, > 0: one or more.
    output
        CSV file to write: growth rates at ten times per decade, one run per 1/Delta_2.
    t_end
        Last time of the runs next to the threshold, >= 1e4.
    tol
        Tolerance of the runs.
    plot
        Figure to write: estimators against t (png, pdf, svg); of the first Delta_p.
    workers
        Processes that share the runs.
    """
    from dmft import checks, tables
    from dmft.systems.spiked import plots
    from dmft.systems.spiked.analysis import threshold

    workers = checks.integer("workers", workers, low=1, high=1024)
    t_end = checks.finite_number("t_end", t_end, low=1e4, wanted="a finite number >= 1e4")
    check_products(output, plot, force=force)
    part = checkpoint_of(output)
    done = list(_scans(part))
    scans = [_measure(part, done, int(p), one, t_end, tol, workers) for one in delta_p]
    tables.save_csv(output, threshold.scan_table(*scans), force=force)
    part.unlink(missing_ok=True)
    for scan in scans:
        found = threshold.threshold(scan)
        print(
            f"p = {scan.p}, Delta_p = {scan.delta_p:g}: 1/Delta_2 = {found.inv_delta_2:.6f}"
            f" +- {found.error:.1g} (sqrt(Q''(1)) = {scan.bbp:.6f})"
        )
    print(f"saved {output}")
    if plot is not None:
        drawn(plots.measured_threshold(scans[0]), plot, force=force)
    return OK


def _measure(
    part: Path, done: list[Scan], p: int, delta_p: float, t_end: float, tol: float, workers: int
) -> Scan:
    """Measure one channel: take the runs that are done, and keep every new one in `part`."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from dmft import tables
    from dmft.run.told import Bar, hidden
    from dmft.systems.spiked.analysis import threshold

    ends = {offset: min(end, t_end) for offset, end in threshold.OFFSETS.items()}
    bbp = threshold.Scan(p, delta_p, ()).bbp
    old = {run.inv_delta_2: run for s in done if (s.p, s.delta_p) == (p, delta_p) for run in s.runs}
    kept = [r for o, end in ends.items() if (r := _long_enough(old, bbp * (1.0 + o), end))]
    left = {o: end for o, end in ends.items() if not _long_enough(old, bbp * (1.0 + o), end)}
    done.append(threshold.Scan(p, delta_p, tuple(kept)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        desc = f"p={p}, Delta_p={delta_p:g}"
        bar = Bar(total=len(ends), initial=len(kept), desc=desc, disable=hidden(None))
        for run in threshold.growth_runs(p, delta_p, left, tol=tol, executor=executor):
            kept.append(run)
            done[-1] = threshold.Scan(p, delta_p, tuple(kept))
            tables.save_csv(part, threshold.scan_table(*done), force=True)
            bar.update()
        bar.close()
    return threshold.Scan(p, delta_p, tuple(sorted(kept, key=lambda run: run.inv_delta_2)))


def _long_enough(old: dict[float, GrowthRun], x: float, t_end: float) -> GrowthRun | None:
    run = old.get(x)
    return run if run is not None and run.t[-1] >= t_end * (1.0 - 1e-9) else None


def _scans(part: Path) -> list[Scan]:
    """Return what an earlier call left."""
    from dmft.systems.spiked.analysis import threshold

    return threshold.read_scans(part) if part.is_file() else []


def measure_relaxation(
    runs: Annotated[list[Path], Parameter(negative="")], /, *, output: Path, force: Force = False
) -> int:
    """Tabulate how runs without a spike relax: mu, e, C(t,0) and C(t,t/2) at decades, exponents.

    Parameters
    ----------
    runs
        Files of runs with m0 = 0, one or more; with `dmft solve --verify` their errors are
        measured.
    output
        CSV file to write.
    """
    from dmft.systems.spiked.analysis import relaxation
    from dmft.systems.spiked.solution import load

    check_products(output, force=force)
    table = relaxation.relaxation_tables([load(path) for path in runs])
    return tabulated(table, output, force=force)
