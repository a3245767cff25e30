"""The methods that solve generalized linear models."""

from __future__ import annotations

from dmft.run.contract import Method
from dmft.systems.glm.descent import Descent, StepOptions, compiled

__all__ = ["METHODS", "STEPS"]

STEPS = Method("steps", StepOptions, Descent, None, resumable=True, prepare=compiled)
METHODS = {STEPS.name: STEPS}
