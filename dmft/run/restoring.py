"""Whether what a file holds can be a run: checks of its attributes and arrays.

The checksum of a file tells whether it is as it was written.  These checks are for files of earlier
schemas, which have none, and of other programs.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from dmft import checks, storage

__all__ = ["check_arrays", "check_provenance", "mapping"]


def mapping(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an attribute of a file that is a mapping, as JSON."""
    found = json.loads(attributes[name])
    if not isinstance(found, dict):
        raise ValueError(f"its {name} is no mapping")
    return found


def check_provenance(provenance: Mapping[str, Any]) -> None:
    """Refuse a provenance that lacks what every run has."""
    for name in ("t_end", "tol", "options"):
        if name not in provenance:
            raise ValueError(f"its provenance lacks {name}")
    checks.finite_number("t_end", provenance["t_end"])
    if not isinstance(provenance["options"], dict):
        raise ValueError("its options are no mapping")


def check_arrays(variables: Mapping[str, storage.Variable], missing: Container[str]) -> None:
    """Refuse arrays that cannot belong to one run."""
    t = np.asarray(variables["time"].values)
    if t.ndim != 1 or not len(t) or t[0] != 0.0 or not np.all(np.diff(t) >= 0.0):
        raise ValueError("its times are no ascending series from 0")
    for name, one in variables.items():
        if one.dimensions[:1] == ("time",) and len(one.values) != len(t):
            raise ValueError(f"{name} has {len(one.values)} entries, and there are {len(t)} times")
        # The state of a solver may say with NaN that there is nothing yet.
        exempt = name in missing or name.startswith("state_") or one.values.dtype.kind != "f"
        if not exempt and not np.all(np.isfinite(one.values)):
            raise ValueError(f"{name} has an entry that is no finite number")
