"""Generalized linear models, as the rest of the house sees them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dmft.systems.base import System

if TYPE_CHECKING:
    from dmft.solution import Solution
    from dmft.storage import Contents

__all__ = ["Glm"]

HERE = "dmft.systems.glm"


class Glm(System):
    """Generalized linear models: phase retrieval, Gaussian mixtures, regression."""

    name = "glm"
    title = "Generalized linear models"
    exports: ClassVar[Mapping[str, str]] = {
        "GaussianMixture": f"{HERE}.model",
        "GeneralizedLinear": f"{HERE}.model",
        "LinearRegression": f"{HERE}.model",
        "PhaseRetrieval": f"{HERE}.model",
    }
    models = ("PhaseRetrieval", "GaussianMixture", "LinearRegression", "GeneralizedLinear")
    theory: ClassVar[Mapping[str, str]] = {}
    scalars = ("m", "q", "mu", "train_loss", "test_error")

    def solve(self, model: Any, t_end: float, **how: Any) -> Solution:
        """Run an algorithm on a model."""
        from dmft.systems.glm.solve import solve

        return solve(model, t_end, **how)

    def resume(
        self, before: Any, path: str | os.PathLike[str], t_end: float | None, **how: Any
    ) -> Solution:
        """Go on with a saved run."""
        from dmft.systems.glm.solve import resume

        return resume(before, path, t_end, **how)

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        from dmft.systems.glm.solution import restore

        return restore(contents)
