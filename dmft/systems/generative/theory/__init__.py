"""Spiked matrix with a generative prior in the limit of large size (arXiv:1905.12385)."""

from __future__ import annotations

from dmft.systems.generative.theory.curves import Curve, fixed_point_curve
from dmft.systems.generative.theory.information import information
from dmft.systems.generative.theory.iteration import Trajectory, state_evolution
from dmft.systems.generative.theory.solutions import (
    GenerativeFixedPoint,
    MMSECurve,
    fixed_point,
    fixed_points,
    mmse_curve,
)
from dmft.systems.generative.theory.spectral import (
    SpectralErrors,
    lamp_overlap,
    pca_overlap,
    pca_transition,
    spectral_errors,
)
from dmft.systems.generative.theory.thresholds import (
    critical_delta,
    growth_matrix,
    linear_instability,
)

__all__ = [
    "Curve",
    "GenerativeFixedPoint",
    "MMSECurve",
    "SpectralErrors",
    "Trajectory",
    "critical_delta",
    "fixed_point",
    "fixed_point_curve",
    "fixed_points",
    "growth_matrix",
    "information",
    "lamp_overlap",
    "linear_instability",
    "mmse_curve",
    "pca_overlap",
    "pca_transition",
    "spectral_errors",
    "state_evolution",
]
