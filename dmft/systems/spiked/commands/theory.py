"""Commands of the closed forms: threshold tables and phase diagrams."""

from __future__ import annotations

from pathlib import Path

from dmft.arguments import Force, Numbers, Whole, check_products, drawn, tabulated
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["phase_diagram", "thresholds"]


def thresholds(
    *,
    p: Whole,
    delta_p: Numbers,
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
    check_products(output, force=force)
    table = threshold_table(p, delta_p, T=temperature)
    return tabulated(table, output, force=force)


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
    return drawn(plots.phase_diagram(theory.phase_diagram(p, T=temperature)), output, force=force)
