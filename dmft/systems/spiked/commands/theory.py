"""Commands of the closed forms: threshold tables and phase diagrams."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dmft.arguments import Force, Whole, check_products, drawn, tabulated
from dmft.systems.spiked.theory.tables import phase_table, threshold_table

__all__ = ["phase_diagram", "thresholds"]


def thresholds(
    *,
    p: Whole,
    delta_p: Annotated[list[str], Parameter(consume_multiple=True)],
    temperature: float = 1.0,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the threshold curves, 1/Delta_2 for each Delta_p.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    delta_p
        Noise variances of the tensor channel, > 0: numbers, or grids such as 0.1:2:0.1 (first,
        last, step) and 0.05:20:log50 (50 numbers evenly spaced in log).
    temperature
        Temperature of the Langevin column.
    output
        CSV file to write; without it the table is printed.  Its columns: p, delta_p, and 1/Delta_2
        on each line (inv_delta_2_NAME), all dimensionless.  At spinodal_appears and spinodal_ends a
        state of Bayes-optimal inference appears or ends; nan: there is none at this Delta_p; 0: at
        1/Delta_2 <= 0.
    """
    from dmft import parse

    check_products(output, force=force)
    table = threshold_table(p, parse.grid("delta_p", delta_p), T=temperature, spinodals=True)
    return tabulated(table, output, force=force)


def phase_diagram(
    *,
    p: Whole,
    output: Path,
    delta_p: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    temperature: float = 1.0,
    force: Force = False,
) -> int:
    """Draw all threshold curves in the (Delta_p, 1/Delta_2) plane, regions shaded and named.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    output
        Figure to write (png, pdf, svg); or its curves as a table (csv): a row for each Delta_p, the
        columns of `dmft thresholds`, and the edges of the hard region, inv_delta_2_hard_from and
        inv_delta_2_hard_to (nan: there is none).
    delta_p
        Noise variances of the tensor channel, > 0: numbers or grids such as 0.1:2:0.1 and
        0.05:20:log50; 200 around the points where lines meet unless given.
    temperature
        Temperature of the Langevin curve.
    """
    from dmft import parse, storage
    from dmft.systems.spiked import theory

    storage.check_target(output, force=force)
    chosen = None if delta_p is None else parse.grid("delta_p", delta_p)
    if output.suffix.lower() == ".csv":
        table = phase_table(theory.phase_diagram(p, chosen, T=temperature))
        return tabulated(table, output, force=force)
    from dmft.systems.spiked import plots

    plots.check_format(output, name="output")
    diagram = theory.phase_diagram(p, chosen, T=temperature)
    return drawn(plots.phase_diagram(diagram), output, force=force)
