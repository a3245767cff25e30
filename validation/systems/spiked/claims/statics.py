"""Message passing, the Hessian and the landscape at finite N."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import hessian, kac_rice, state_evolution
from validation.comparison import Comparison, columns_of, compare_limits, compare_numbers
from validation.evidence import Evidence, evidence_of
from validation.statistics import judge
from validation.systems.spiked import amp
from validation.systems.spiked.claims.models import STEP, name_of
from validation.systems.spiked.hessian import spectrum
from validation.systems.spiked.instances import draw
from validation.systems.spiked.stored import Loss

__all__ = ["complexity", "hessians", "message_passing"]

Array = NDArray[np.float64]


def message_passing(quick: bool) -> Evidence:
    """Approximate message passing ends where state evolution says."""
    n, seeds, steps, m0 = (200, 12, 25, 0.5) if quick else (1000, 6, 25, 0.5)
    names, values, columns = [], [], []
    for delta_2 in (0.3, 0.4) if quick else (0.3, 0.4, 0.5, 0.55):
        model = SpikedMatrixTensor(3, delta_2, 1.0)
        for kind, start in (("ml", m0), ("bayes", m0 * m0)):
            found = amp.endpoints(
                model, n=n, seeds=seeds, m0=m0, kind=kind, steps=steps,  # type: ignore[arg-type]
                root_seed=round(1e3 * delta_2) + (kind == "ml"),
            )  # fmt: skip
            names.append(f"m of {kind} AMP, Delta_2 = {delta_2:g}")
            values.append(float(getattr(state_evolution, kind)(model, start, steps)[-1]))
            columns.append(found)
    result = compare_numbers(names, values, np.stack(columns, axis=1))
    claim, setting = "AMP ends where state evolution says", f"m0 = {m0:g}, {steps} iterations"
    return evidence_of(claim, "p = 3, Delta_3 = 1", setting, {n: seeds}, result)


# What the theory predicts of the Hessian at a point of overlap m and multiplier mu.
SPECTRAL = ("lowest eigenvalue", "squared overlap of its eigenvector", "variance")
HESSIAN_START, HESSIAN_END = 0.3, 40.0


def hessians(quick: bool) -> Evidence:
    """Spectrum of the Hessian at the start and at the end of gradient descent."""
    sizes = {80: 20, 160: 12} if quick else {200: 40, 400: 20, 800: 8}
    model = SpikedMatrixTensor(3, 1 / 3, 1.0)
    samples = {
        n: np.array([_spectral_deviations(model, n, k) for k in range(seeds)])
        for n, seeds in sizes.items()
    }
    names = [f"{name} at the {place}" for place in ("start", "end") for name in SPECTRAL]
    result = compare_limits(names, np.zeros(len(names)), samples)
    setting = (
        f"gradient descent from m0 = {HESSIAN_START:g} to t = {HESSIAN_END:g}; listed is the"
        " deviation from the theory, extrapolated linearly in 1/N"
    )
    claim = "Hessian: isolated eigenvalue, its eigenvector, and the variance of the bulk"
    seeds = {float(n): count for n, count in sizes.items()}
    return evidence_of(claim, name_of(model), setting, seeds, result)


def _spectral_deviations(model: SpikedMatrixTensor, n: int, seed: int) -> list[float]:
    """Return spectrum less theory, at the m and mu of the point, at the start and at the end."""
    loss = Loss(draw(model, n, HESSIAN_START, np.random.SeedSequence((n, seed))))
    x, row = loss.instance.x0, []
    for steps in (0, round(HESSIAN_END / STEP)):
        for _ in range(steps):
            x = x + STEP * loss.force(x)
            x = x * math.sqrt(n) / float(np.linalg.norm(x))
        s = spectrum(loss, x)
        row += [
            s.lowest - float(hessian.smallest_eigenvalue(model, s.m, s.mu)),
            s.overlap - float(hessian.eigenvector_overlap(model, s.m)),
            s.variance - float(model.d2Q(1.0)),
        ]
    return row


def complexity(quick: bool) -> Evidence:
    """Compare the complexity of a matrix with counted minima."""
    n, delta, samples = 10, 0.5, (50_000 if quick else 400_000)
    edges = np.linspace(0.72, 0.93, 8)
    counts = [_counted(size, delta, samples, edges) for size in (n, 2 * n)]
    found = (np.log(counts[1] / counts[0]) - 0.5 * np.log(2.0)) / n
    m = np.linspace(edges[:-1], edges[1:], 41)
    sigma = kac_rice.complexity(SpikedMixture({2: delta}), m)
    values = np.log(np.mean(np.exp(2 * n * sigma), axis=0) / np.mean(np.exp(n * sigma), axis=0)) / n
    # Corrections of order 1/N^2 remain: 0.1/N^2 covers them.
    error = np.hypot(np.sqrt(1.0 / counts[0] + 1.0 / counts[1]) / n, 0.1 / n**2)
    names = [f"complexity, m in [{a:.2f}, {b:.2f}]" for a, b in itertools.pairwise(edges)]
    # The counts of different bins are nearly independent and their errors are known, so that the
    # scatter is diagonal and has no degrees of freedom to estimate.
    verdict = judge(found - values, np.diag(error), math.inf)
    setting = (
        "the only minimum is the leading eigenvector; the error bars hold 0.1/N² for the next order"
    )
    return evidence_of(
        "Kac-Rice complexity against counted minima", f"p = 2, Delta_2 = {delta:g}", setting,
        {n: samples, 2 * n: samples}, Comparison(columns_of(names, values, found, error), verdict),
    )  # fmt: skip


def _counted(n: int, delta: float, samples: int, edges: Array) -> Array:
    """Return how many leading eigenvectors of spiked matrices have their overlap in each bin."""
    rng, total = np.random.default_rng(n), np.zeros(len(edges) - 1)
    for _ in range(samples // 10_000):
        noise = rng.normal(size=(10_000, n, n))
        matrix = (noise + noise.transpose(0, 2, 1)) / np.sqrt(2.0 * n * delta)
        matrix[:, 0, 0] += 1.0 / delta
        total += np.histogram(np.abs(np.linalg.eigh(matrix)[1][:, 0, -1]), edges)[0]
    return total
