"""The methods that solve generalized linear models."""

from __future__ import annotations

from dmft.run.contract import Method
from dmft.systems.glm.descent import Descent, compiled
from dmft.systems.glm.long_flow import LongFlow
from dmft.systems.glm.options import FlowOptions, StepOptions

__all__ = ["FLOW", "METHODS", "STEPS"]

STEPS = Method("steps", StepOptions, Descent, None, resumable=True, prepare=compiled)
FLOW = Method(
    "flow", FlowOptions, LongFlow, None, resumable=True, verifiable=True, prepare=compiled
)
METHODS = {method.name: method for method in (STEPS, FLOW)}
