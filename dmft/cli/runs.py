"""Commands of single runs of any system: resume, show."""

from __future__ import annotations

import sys
from pathlib import Path

from dmft.arguments import OK, PART, Force, Whole, checkpoint_of

__all__ = ["resume", "show"]


def resume(
    run: Path,
    *,
    t_end: float | None = None,
    stop_overlap: float | None = None,
    stop_relaxed: float | None = None,
    max_seconds: float | None = None,
    checkpoint_every: float = 60.0,
    threads: Whole | None = None,
) -> int:
    """Go on with a run, from its file or its checkpoint, and replace the file.

    The result is that of a run which was never stopped, to the last bit.

    Parameters
    ----------
    run
        File that `dmft solve` wrote, or was about to write.
    t_end
        Time to reach; without it that of the run.
    stop_overlap
        Stop once |m| reaches this, in (0, 1): runs that have an overlap m.
    stop_relaxed
        Stop once m and mu, having moved, changed by less than this since t/2.
    max_seconds
        Stop after this many seconds.
    checkpoint_every
        Seconds between two checkpoints, > 0.
    threads
        Threads to use; all unless given.
    """
    from dmft._api import resume as go_on
    from dmft.run.output import Mode
    from dmft.run.shell import carried_out, going_on, stops

    output = run.with_suffix("") if run.suffix == PART else run
    part = checkpoint_of(output)
    source = part if part.exists() else output
    if not source.exists():
        raise FileNotFoundError(f"there is neither {str(output)!r} nor its checkpoint")
    conditions = stops(stop_overlap, stop_relaxed, max_seconds)
    going_on(output)
    return carried_out(
        lambda: go_on(
            source, t_end, threads=threads, stop=conditions, checkpoint=part,
            checkpoint_every=checkpoint_every,
        ),
        output, Mode(goes_on=True),
    )  # fmt: skip


def show(
    run: Path,
    *,
    plot: Path | None = None,
    csv: Path | None = None,
    times: str | None = None,
    observable: str | None = None,
    force: Force = False,
) -> int:
    """Summarise a run; draw it or write its quantities, or an observable, as a table.

    Parameters
    ----------
    run
        File that `dmft solve` wrote.
    plot
        Figure to write (png, pdf, svg); of the spiked model: m, mu, e against t and C(t, t')
        against t'/t.
    csv
        Table to write: t and all quantities of one time, such as m, mu, e, or eg, Q, R, v.
    times
        Times of the table, such as 1,10,100; without it all accepted times.
    observable
        What the table and the figure show instead.  chi-C: integrated response against C at each of
        the times, without them at the last one.  fdt: the slope of that, 1/T_eff = X/T.  aging:
        C(t_w + tau, t_w) against tau/t_w at times t_w.  hessian: its smallest eigenvalue.  loss:
        training loss above that of the signal.  mse: 2 (1 - m).  Of two-layer networks: cosines
        between student and teacher units; specialization, 0 where all units are alike.
    """
    from dmft import extras, figures, parse, storage, tables
    from dmft._api import load
    from dmft.run.shell import summary
    from dmft.systems import SYSTEMS

    if plot is not None:
        extras.require("matplotlib", what="--plot")
    solution = load(run)
    system = SYSTEMS[solution.system]
    chosen = None if times is None else parse.numbers("times", times)
    if observable is None:
        table = solution.table(chosen)
    else:
        table = system.observable(solution, observable, chosen)
    for name, target in (("plot", plot), ("csv", csv)):
        if target is not None:
            storage.check_target(target, force=force, name=name)
    if plot is not None:
        figures.check_format(plot)
        if csv is not None and csv.resolve() == plot.resolve():
            raise ValueError(f"csv = {str(csv)!r} is not allowed: it is the file of the plot, too")
    print(summary(solution))
    if (times is not None or observable is not None) and csv is None and plot is None:
        tables.write_csv(sys.stdout, table)
    if csv is not None:
        tables.save_csv(csv, table, force=force)
        print(f"saved       {csv}")
    if plot is not None:
        figures.save(system.figure(solution, observable, chosen), plot, force=force)
        print(f"saved       {plot}")
    return OK
