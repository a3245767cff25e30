"""Message passing, the Hessian and the landscape at finite N."""

from __future__ import annotations

import itertools
import math

import numpy as np

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import hessian, kac_rice, state_evolution
from validation.compare import extrapolate, judge, standard_error
from validation.evidence import Evidence, against, judged, name_of, table_of
from validation.systems.spiked import amp
from validation.systems.spiked.claims.any_n import STEP
from validation.systems.spiked.hessian import spectrum
from validation.systems.spiked.instances import draw
from validation.systems.spiked.stored import Loss

__all__ = ["complexity", "hessians", "message_passing"]


def message_passing(quick: bool) -> Evidence:
    """AMP endpoints."""
    n, seeds, steps, m0 = (200, 12, 25, 0.5) if quick else (1000, 6, 25, 0.5)
    names, expected, columns = [], [], []
    for delta_2 in (0.3, 0.4) if quick else (0.3, 0.4, 0.5, 0.55):
        model = SpikedMatrixTensor(3, delta_2, 1.0)
        for kind, start in (("ml", m0), ("bayes", m0 * m0)):
            found = amp.endpoints(
                model, n=n, seeds=seeds, m0=m0, kind=kind, steps=steps,  # type: ignore[arg-type]
                root_seed=round(1e3 * delta_2) + (kind == "ml"),
            )  # fmt: skip
            names.append(f"m of {kind} AMP, Delta_2 = {delta_2:g}")
            expected.append(float(getattr(state_evolution, kind)(model, start, steps)[-1]))
            columns.append(found)
    table, verdict = against(names, expected, np.stack(columns, axis=1))
    basis = f"p = 3, Delta_3 = 1, m0 = {m0:g}, {steps} iterations; N = {n}, {seeds} seeds"
    return judged("AMP ends where state evolution says", basis, table, verdict)


def hessians(quick: bool) -> Evidence:
    """Spectrum at the start and at the end of gradient descent."""
    sizes = {80: 20, 160: 12} if quick else {200: 40, 400: 20, 800: 8}
    model, m0, end = SpikedMatrixTensor(3, 1 / 3, 1.0), 0.3, 40.0
    curvature = float(model.d2Q(1.0))
    names = [
        f"{name} at the {place}"
        for place in ("start", "end")
        for name in ("lowest eigenvalue", "squared overlap of its eigenvector", "variance")
    ]
    samples = []
    for n, seeds in sizes.items():
        rows = []
        for k in range(seeds):
            loss = Loss(draw(model, n, m0, np.random.SeedSequence((n, k))))
            x, row = loss.instance.x0, []
            for steps in (0, round(end / STEP)):
                for _ in range(steps):
                    x = x + STEP * loss.force(x)
                    x = x * math.sqrt(n) / float(np.linalg.norm(x))
                s = spectrum(loss, x)
                # Relative to the theory at the m and mu of this very point.
                row += [
                    s.lowest - hessian.smallest_eigenvalue(model, s.m, s.mu),
                    s.overlap - hessian.eigenvector_overlap(model, s.m), s.variance - curvature,
                ]  # fmt: skip
            rows.append(row)
        samples.append(np.array(rows))
    fit = extrapolate(list(sizes), samples)
    verdict = judge(fit.limit, fit.scatter, fit.freedom)
    table = table_of(names, np.zeros(len(names)), fit.limit, standard_error(fit.scatter))
    counts = ", ".join(f"{k} at N = {n}" for n, k in sizes.items())
    basis = (
        f"{name_of(model)}; gradient descent from m0 = {m0:g} to t = {end:g}; seeds: {counts};"
        " listed is the deviation from theory, extrapolated linearly in 1/N"
    )
    claim = "Hessian: isolated eigenvalue, its eigenvector, and the variance of the bulk"
    return judged(claim, basis, table, verdict)


def complexity(quick: bool) -> Evidence:
    """Stationary points of a matrix, counted."""
    N, delta, samples = 10, 0.5, (50_000 if quick else 400_000)
    edges = np.linspace(0.72, 0.93, 8)
    counts = []
    for n in (N, 2 * N):
        rng, total = np.random.default_rng(n), np.zeros(len(edges) - 1)
        for _ in range(samples // 10_000):
            noise = rng.normal(size=(10_000, n, n))
            matrix = (noise + noise.transpose(0, 2, 1)) / np.sqrt(2.0 * n * delta)
            matrix[:, 0, 0] += 1.0 / delta
            total += np.histogram(np.abs(np.linalg.eigh(matrix)[1][:, 0, -1]), edges)[0]
        counts.append(total)
    found = (np.log(counts[1] / counts[0]) - 0.5 * np.log(2.0)) / N
    m = np.linspace(edges[:-1], edges[1:], 41)
    sigma = kac_rice.complexity(SpikedMixture({2: delta}), m)
    expected = np.log(np.mean(np.exp(2 * N * sigma), axis=0) / np.mean(np.exp(N * sigma), axis=0))
    # Corrections of order 1/N^2 remain: 0.1/N^2 covers them.
    error = np.hypot(np.sqrt(1.0 / counts[0] + 1.0 / counts[1]) / N, 0.1 / N**2)
    names = [f"complexity, m in [{a:.2f}, {b:.2f}]" for a, b in itertools.pairwise(edges)]
    table = table_of(names, expected / N, found, error)
    largest = float(np.max(np.abs(table["z"])))
    basis = (
        f"p = 2, Delta_2 = {delta:g}, where the only minimum is the leading eigenvector:"
        f" {samples} matrices each at N = {N} and {2 * N}; bars hold 0.1/N^2 for the next order"
    )
    return Evidence(
        "Kac-Rice complexity against counted minima", basis, table,
        f"largest |z| = {largest:.2f} of {len(names)}", largest < 4.0,
    )  # fmt: skip
