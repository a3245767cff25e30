"""What a file of runs of a generalized linear model holds: t, m, train_loss, seed, N."""

from __future__ import annotations

import math
from typing import Any

from validation.runs import RunFormat

__all__ = ["parameters", "quantities", "run_format"]

# Parameters that are numbers, of models and of algorithms.
MODEL = ("alpha", "a", "delta", "rho", "noise", "ridge")
ALGORITHM = ("step", "T", "batch", "persistence")
OPTIONAL = ("train_loss", "q", "bias", "test_error")


def parameters(theory: Any) -> dict[str, float]:
    """Return m0, q0, and the parameters of the model and the algorithm that are numbers."""
    known = {name: getattr(theory.model, name, None) for name in MODEL}
    known |= {name: theory.provenance["options"][name] for name in ALGORITHM}
    numbers = {name: float(x) for name, x in known.items() if isinstance(x, (int, float))}
    return {"m0": theory.m0, "q0": theory.q0, **numbers}


def quantities(theory: Any) -> tuple[str, ...]:
    """Return what can be compared: m, and what else the run knows.

    On the sphere q is 1 in all runs and is left out, as are the losses of a user's model without l.
    """
    spherical = getattr(theory.model, "ridge", None) is None
    series = theory.series
    known = [name for name in OPTIONAL if name in series and math.isfinite(series[name][0])]
    return ("m", *(name for name in known if not (spherical and name == "q")))


def run_format(theory: Any) -> RunFormat:
    """Return the format of runs that are compared with a `GlmSolution`: m is needed."""
    return RunFormat(
        quantities=("m",),
        optional=quantities(theory)[1:],
        given=parameters(theory),
        start={"m": theory.m0},
        parameters="|".join((*MODEL, *ALGORITHM)),
    )
