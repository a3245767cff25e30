"""Cost of the long-time solver: against t, against other methods, and with two threads.

``make bench`` runs this file; it writes ``*.csv`` and ``cost.png`` in ``docs/spiked/benchmarks/``,
which the documentation shows.  Every measurement is a process of its own; the values are medians.
``--only NAME`` makes one of the tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import dmft

FOLDER = Path(__file__).parent.parent / "docs" / "spiked" / "benchmarks"
DECADES = [10.0**k for k in range(2, 9)]
PURE = {"3": 1.0}
SPIKED = {"2": 0.7, "3": 1.0}
T_ERROR = 10.0

Row = dict[str, Any]


def growth(channels: dict[str, float], m0: float, tol: float, t_end: float) -> list[Row]:
    """One run to t_end: slices, seconds and peak memory at every decade on the way."""
    model = dmft.SpikedMixture({int(p): delta for p, delta in channels.items()})
    dmft.solve(model, 1.0, m0=m0)  # compiled, or loaded
    rows: list[Row] = []
    slices, cpu = 0, time.process_time()

    def watch(now: dmft.Progress) -> None:
        nonlocal slices
        slices += 1
        if len(rows) < len(DECADES) and now.t >= DECADES[len(rows)]:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
            used = time.process_time() - cpu
            rows.append(
                {
                    "t": DECADES[len(rows)],
                    "slices": slices,
                    "wall_s": now.seconds,
                    "cpu_s": used,
                    "peak_mb": memory,
                }
            )

    dmft.solve(model, t_end, m0=m0, tol=tol, callback=watch)
    return rows


def reference() -> dmft.Solution:
    """Return the run that errors are measured against; it takes half a minute."""
    model = dmft.SpikedMixture({int(p): delta for p, delta in SPIKED.items()})
    return dmft.solve(model, T_ERROR, m0=0.1, method="dense", tol=1e-11)


def error(method: str, setting: float, exact_file: str) -> list[Row]:
    """One run of the spiked model to T_ERROR: CPU seconds and error of m, mu, e, C and R."""
    model = dmft.SpikedMixture({int(p): delta for p, delta in SPIKED.items()})
    name = "step" if method == "gradient_descent" else "tol"
    arguments: dict[str, Any] = {"m0": 0.1, "method": method}
    dmft.solve(model, 0.2, **arguments, **{name: 0.1})  # compiled, or loaded
    began = time.process_time()
    s = dmft.solve(model, T_ERROR, **arguments, **{name: setting})
    seconds = time.process_time() - began
    exact = dmft.load(exact_file)
    t = np.linspace(0.5, T_ERROR, 20)
    a, b = s.at(t), exact.at(t)
    t, t_prime = t[:, None], t[:, None] * np.linspace(0.0, 0.95, 20)
    worst = max(
        float(np.max(np.abs(x - y)))
        for x, y in [
            (a.m, b.m), (a.mu, b.mu), (a.e, b.e),
            (s.C(t, t_prime), exact.C(t, t_prime)), (s.R(t, t_prime), exact.R(t, t_prime)),
        ]
    )  # fmt: skip
    return [{"method": method, name: setting, "error": worst, "cpu_s": seconds}]


def rival(method: str, how: dict[str, Any], t_end: float) -> list[Row]:
    """One run of Q = x^3/3 to t_end by what else a user can run: CPU seconds and error of mu."""
    model = dmft.SpikedMixture({int(p): delta for p, delta in PURE.items()})
    if method == "euler":
        # The scheme of the published codes: a fixed grid.
        how = {"options": dmft.GradientDescentOptions(how["step"], scheme="euler")}
        method = "gradient_descent"
    dmft.solve(model, 0.2, m0=0.0, method=method, **how)  # compiled, or loaded
    began = time.process_time()
    run = dmft.solve(model, t_end, m0=0.0, method=method, **how)
    seconds = time.process_time() - began
    exact = dmft.solve(model, t_end, m0=0.0, preset="tight")
    wrong = abs(float(run.at(t_end).mu) - float(exact.at(t_end).mu))
    return [{"t": t_end, "cpu_s": seconds, "error of mu": wrong}]


def side_by_side(name: str, threads: int) -> list[Row]:
    """One run at one or two threads: wall and CPU seconds."""
    channels, m0, t_end, preset = RUNS[name]
    model = dmft.SpikedMixture(channels)
    dmft.solve(model, 1.0, m0=m0, preset=preset)  # compiled, or loaded
    began, wall = time.process_time(), time.perf_counter()
    dmft.solve(model, t_end, m0=m0, preset=preset, threads=threads)
    wall, used = time.perf_counter() - wall, time.process_time() - began
    return [{"run": name, "threads": threads, "wall_s": wall, "cpu_s": used}]


def measured(arguments: list[Any], repeat: int) -> list[Row]:
    """Median over processes of every number that a measurement prints."""
    command = [sys.executable, __file__, "--measure", json.dumps(arguments)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(repeat)
    ]
    return [
        {k: statistics.median(r[k] for r in rows) if k in TIMED else rows[0][k] for k in rows[0]}
        for rows in zip(*runs, strict=True)
    ]


# What is compared at one thread and at two: model, overlap at the start, end and preset.
RUNS: dict[str, tuple[dict[int, float], float, float, str]] = {
    "Q = x^3/3 to 1e4, loose": ({3: 1.0}, 0.0, 1e4, "loose"),
    "Q = x^3/3 to 1e4": ({3: 1.0}, 0.0, 1e4, "default"),
    "Q = x^3/3 to 1e8": ({3: 1.0}, 0.0, 1e8, "default"),
    "escape from 1e-10 to 1e4, loose": ({2: 0.4, 3: 4.0}, 1e-10, 1e4, "loose"),
    "escape from 1e-10 to 1e4": ({2: 0.4, 3: 4.0}, 1e-10, 1e4, "default"),
    "escape from 1e-6 to 100": ({2: 0.4, 3: 1.0}, 1e-6, 1e2, "default"),
}
RIVALS: list[tuple[str, dict[str, Any], float]] = [
    *(("slices", {"preset": "loose"}, t) for t in (10.0, 1e2, 1e4)),
    *(("slices", {"preset": "default"}, t) for t in (10.0, 1e2, 1e4)),
    *(("dense", {"tol": 1e-6}, t) for t in (10.0, 40.0)),
    *(("euler", {"step": step}, t) for step, t in ((0.05, 10.0), (0.05, 1e2), (0.3, 1e3))),
]
TIMED = ("wall_s", "cpu_s", "peak_mb")
ERRORS = (
    [("slices", tol) for tol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)]
    + [("dense", tol) for tol in (1e-3, 1e-4, 1e-6, 1e-8, 1e-10)]
    + [("gradient_descent", h) for h in (0.1, 0.05, 0.02, 0.01, 0.005)]
)


def write(name: str, rows: Iterable[Row]) -> None:
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


def draw(times: list[Row], escape: list[Row], errors: list[Row]) -> None:
    from matplotlib import pyplot as plt

    from dmft.systems.spiked import plots

    with plots.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.8), layout="constrained")
        for rows, marker, label in (
            (times, "o", "no spike, Q = x³/3"),
            (escape, "s", "escape from m0 = 1e-10, p = 3, 1/Δ₂ = 2.5, Δ₃ = 4"),
        ):
            left.loglog(
                [r["t"] for r in rows], [r["cpu_s"] for r in rows], marker=marker, label=label
            )
        left.set(xlabel="t", ylabel="CPU seconds", title="slices, tol = 1e-6, T = 0")
        left.legend(fontsize="x-small")
        for method, marker in (("slices", "o"), ("dense", "s"), ("gradient_descent", "^")):
            rows = [r for r in errors if r["method"] == method]
            right.loglog(
                [r["error"] for r in rows], [r["cpu_s"] for r in rows], marker=marker, label=method
            )
        right.set(
            xlabel="largest error of m, μ, e, C, R", ylabel="CPU seconds",
            title=f"p = 3, Δ₂ = 0.7, Δ₃ = 1, m0 = 0.1, T = 0, t = {T_ERROR:g}",
        )  # fmt: skip
        right.invert_xaxis()
        right.legend(fontsize="x-small")
        for ax in (left, right):
            ax.title.set_fontsize("small")
        figure.savefig(FOLDER / "cost.png", dpi=200)


def made(jobs: list[list[Any]], repeat: int) -> list[list[Row]]:
    return [measured(job, repeat) for job in tqdm(jobs)]


def compared(repeat: int) -> None:
    """Write the tables against other methods at long times, and of one thread against two."""
    found = made([["rival", *rival] for rival in RIVALS], repeat)
    write(
        "rivals.csv",
        (
            {"method": method, **how, **rows[0]}
            for (method, how, _), rows in zip(RIVALS, found, strict=True)
        ),
    )
    found = made([["side_by_side", name, n] for name in RUNS for n in (1, 2)], repeat)
    write("threads.csv", (rows[0] for rows in found))


def costs(repeat: int, t_end: float) -> None:
    """Write the tables against t and against the error, with their figure."""
    with tempfile.TemporaryDirectory() as folder:
        exact = str(Path(folder) / "exact.nc")
        reference().save(exact)
        jobs: list[list[Any]] = [
            ["growth", PURE, 0.0, 1e-6, t_end],
            ["growth", {"2": 0.4, "3": 4.0}, 1e-10, 1e-6, min(1e6, t_end)],
            *(["error", *setting, exact] for setting in ERRORS),
        ]
        results = made(jobs, repeat)
    times, escape, errors = results[0], results[1], [rows[0] for rows in results[2:]]
    write("times.csv", times)
    write("escape.csv", escape)
    write("errors.csv", errors)
    draw(times, escape, errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="processes per measurement")
    parser.add_argument("--t-end", type=float, default=1e8)
    parser.add_argument("--only", choices=("costs", "compared"), help="make these tables alone")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, *arguments = json.loads(options.measure)
        kinds = {f.__name__: f for f in (growth, error, rival, side_by_side)}
        print(json.dumps(kinds[kind](*arguments)))
        return
    FOLDER.mkdir(exist_ok=True)
    if options.only != "compared":
        costs(options.repeat, options.t_end)
    if options.only != "costs":
        compared(options.repeat)


if __name__ == "__main__":
    main()
