"""Dynamics at N = infinity, in growing coordinates."""

from __future__ import annotations

import math

import numpy as np

from dmft.systems.spiked.solve import solve
from validation.comparison import columns_of
from validation.evidence import Evidence
from validation.statistics import Finding
from validation.systems.spiked.claims.models import SEED_MODEL, STEP, TIMES, name_of
from validation.systems.spiked.limit import LimitRun, limit_descent, limit_flow

__all__ = ["limits"]

# The largest differences allowed; nothing scatters in this limit.
ALLOWED = {"descent": 1e-12, "flow": 1e-6}


def limits(quick: bool) -> Evidence:
    """The limit of large N in growing coordinates, which does not know the CHS equations."""
    steps = 60 if quick else 100
    discrete = solve(
        SEED_MODEL, steps * STEP, m0=0.1, T=1.0, method="gradient_descent", step=STEP,
        progress=False,
    )  # fmt: skip
    dense = solve(SEED_MODEL, 10.0, m0=0.1, method="dense", tol=1e-8, progress=False)
    pairs = {
        "descent": (limit_descent(SEED_MODEL, 0.1, STEP, steps, T=1.0), discrete),
        "flow": (limit_flow(SEED_MODEL, 0.1, TIMES[1:]), dense.at(TIMES[1:])),
    }
    rows = []
    for name in ("m", "mu", "e"):
        for kind, (run, solution) in pairs.items():
            rows.append((f"{name} of {kind}", *_furthest(name, run, solution)))
    names, theory, found = zip(*rows, strict=True)
    table = columns_of(names, theory, found, np.zeros(len(names)))
    worst = {
        kind: max(abs(b - a) for name, a, b in rows if name.endswith(kind)) for kind in ALLOWED
    }
    agree = all(worst[kind] < allowed for kind, allowed in ALLOWED.items())
    verdict = (
        f"largest difference {worst['descent']:.1e} of discrete steps (allowed"
        f" {ALLOWED['descent']:g}), {worst['flow']:.1e} of gradient flow (allowed"
        f" {ALLOWED['flow']:g})"
    )
    setting = f"m0 = 0.1; T = 1 in steps of {STEP:g}, T = 0 continuously; N = infinity"
    claim = "The N = infinity limit in growing coordinates, which knows no equation of C and R"
    finding = Finding.AGREE if agree else Finding.DISAGREE
    return Evidence(claim, name_of(SEED_MODEL), setting, {}, table, verdict, finding, math.nan)


def _furthest(name: str, run: LimitRun, solution: object) -> tuple[float, float]:
    """Return theory and limit at the time where they differ most."""
    limit, theory = getattr(run, name), getattr(solution, name)
    k = int(np.argmax(np.abs(limit - theory)))
    return float(theory[k]), float(limit[k])
