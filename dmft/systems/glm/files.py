"""Models as plain values, in files and recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from dmft.systems.glm.model import (
    GaussianMixture,
    GeneralizedLinear,
    LinearRegression,
    Model,
    PhaseRetrieval,
)

__all__ = ["SavedModel", "model_from", "model_to"]

KINDS: dict[str, type[PhaseRetrieval] | type[GaussianMixture] | type[LinearRegression]] = {
    kind.__name__: kind for kind in (PhaseRetrieval, GaussianMixture, LinearRegression)
}
PLAIN = ("alpha", "label", "noise", "ridge")


@dataclass(frozen=True)
class SavedModel:
    """A user's model as a file holds it: its parameters, without its functions."""

    system: ClassVar[str] = "glm"

    alpha: float
    label: str
    noise: float
    ridge: float | None
    loss: str

    def __repr__(self) -> str:
        return f"GeneralizedLinear(alpha={self.alpha!r}, label={self.label!r}, {self.loss})"


def model_to(model: Model | SavedModel) -> tuple[str, dict[str, Any]]:
    """Return the name of the model's class and its parameters as plain values."""
    if isinstance(model, SavedModel):
        return "GeneralizedLinear", dataclasses.asdict(model)
    if isinstance(model, GeneralizedLinear):
        plain = {name: getattr(model, name) for name in PLAIN}
        return "GeneralizedLinear", {**plain, "loss": model.loss_functions.name}
    return type(model).__name__, dataclasses.asdict(model)


def model_from(kind: str, parameters: Mapping[str, Any]) -> Model | SavedModel:
    """Return the model of its class's name and its parameters."""
    if kind == "GeneralizedLinear":
        return SavedModel(**parameters)
    if kind not in KINDS:
        raise ValueError(f"its model {kind!r} is unknown")
    return KINDS[kind](**parameters)
