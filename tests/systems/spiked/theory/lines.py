"""What the tests of the thresholds share: orders, variances and mixtures, and how they compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
from hypothesis import settings
from hypothesis import strategies as st

from dmft.systems.spiked.theory import thresholds

LINES: dict[str, Callable[..., Any]] = {
    "ml_amp": thresholds.ml_amp,
    "gradient_flow": thresholds.gradient_flow,
    "trivialization": thresholds.trivialization,
}
ORDERS = (3, 4, 5, 8, 10, 12, 20)
DELTAS = tuple(10.0**k for k in range(-6, 7))
MIXTURES: tuple[dict[int, float], ...] = (
    {3: 1.5, 4: 2.0},
    {3: 1e-6, 20: 1e6},
    {3: 1e6, 20: 1e-6},
    {4: 0.3, 5: 7.0, 11: 0.02, 20: 0.5},
)
PRECISION = 1e-13
order = st.integers(3, 100)
variance = st.floats(-6.0, 6.0).map(lambda k: 10.0**k)
mixture = st.dictionaries(st.integers(3, 100), variance, min_size=1, max_size=5)
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def anywhere(*args: Any, **kwargs: Any) -> Any:
    return thresholds.trivialization(*args, at="any", **kwargs)


def relative(value: Any, exact: Any) -> float:
    with mp.workdps(40):
        return float(abs(mp.mpf(float(value)) / exact - 1))
