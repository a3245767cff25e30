"""Commands of the closed forms: threshold tables and phase diagrams."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dmft.arguments import OK, Force, Whole
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["phase_diagram", "thresholds"]


def thresholds(
    *,
    p: Whole,
    delta_p: Annotated[list[float], Parameter(consume_multiple=True)],
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
        Noise variances of the tensor channel, > 0: one or more.
    temperature
        Temperature of the Langevin column.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft import tables

    table = threshold_table(p, delta_p, T=temperature)
    if output is None:
        tables.write_csv(sys.stdout, table)
        return OK
    tables.save_csv(output, table, force=force)
    print(f"saved {output}")
    return OK


def phase_diagram(*, p: Whole, output: Path, temperature: float = 1.0, force: Force = False) -> int:
    """Draw all threshold curves in the (Delta_p, 1/Delta_2) plane, regions shaded and named.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    output
        Figure to write (png, pdf, svg).
    temperature
        Temperature of the Langevin curve.
    """
    from dmft import storage
    from dmft.systems.spiked import plots, theory

    storage.check_target(output, force=force)
    plots.check_format(output, name="output")
    plots.save(plots.phase_diagram(theory.phase_diagram(p, T=temperature)), output, force=force)
    print(f"saved {output}")
    return OK
