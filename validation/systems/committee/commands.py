"""The command that compares message passing with state evolution."""

from __future__ import annotations

from dmft import checks
from dmft.arguments import Whole
from dmft.systems.committee.commands import MACHINE, MachineOptions
from dmft.systems.committee.job import CommitteeJob
from validation.comparison import compare
from validation.printing import MOST_ROWS, print_table, print_verdict
from validation.systems.committee.compare import Setting, ensemble

__all__ = ["message_passing"]

# Numbers of an instance's inputs: 3 GB.
MOST_ENTRIES = 8e8


def message_passing(
    *,
    alpha: float,
    of: MachineOptions = MACHINE,
    n: Whole = 1000,
    seeds: Whole = 40,
    start: float = 0.4,
    steps: Whole = 10,
    root_seed: Whole = 0,
) -> int:
    """Run message passing on instances and compare each iteration with state evolution.

    Parameters
    ----------
    alpha
        Examples per input, in (0, 1e4].
    n
        Number of inputs.
    seeds
        Number of instances, >= 2.
    start
        Overlap of each unit with its teacher at the start, in [0, 1); with K = 2 far above
        1/sqrt(n), as fluctuations would change the order of the units otherwise.
    steps
        Iterations, >= 1; fewer are compared where state evolution ends earlier.
    root_seed
        The first seed.
    """
    machine = of.machine()
    checks.finite_number("start", start, low=0.0, high=0.999, wanted="in [0, 0.999]")
    n = checks.integer("n", n, low=10)
    seeds = checks.integer("seeds", seeds, low=2)
    steps = checks.integer("steps", steps, low=1)
    root = checks.integer("root_seed", root_seed, low=0)
    job = CommitteeJob(machine, alpha, start)
    if alpha * n * n > MOST_ENTRIES:
        raise ValueError(
            f"n = {n} is not allowed with alpha = {alpha:g}: alpha n^2 must be <= {MOST_ENTRIES:g},"
            " as an instance would not fit memory"
        )
    theory = job.begin()
    last = min(steps, len(theory.t) - 2)
    if last < steps:
        print(f"after {last} iterations state evolution is at its fixed point: more tell nothing")
    runs = ensemble(Setting(machine, alpha, n, start, last), range(root, root + seeds))
    result = compare(theory, runs)
    print_table(result.table, most=MOST_ROWS)
    return print_verdict(theory, result)
