"""Where the dynamics starts."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from dmft import checks

__all__ = ["Overlap", "Thermal"]


@dataclass(frozen=True)
class Overlap:
    """Start at random on the sphere, with a given overlap with the signal.

    Parameters
    ----------
    m0 : float
        Overlap m(0) = x(0).x*/N in [-1, 1] (dimensionless); 0 means no spike: m stays 0 and the
        dynamics is that of the spherical mixed p-spin glass.

    Raises
    ------
    ValueError
        m0 is no finite number in [-1, 1], or it is below 2.2e-308 in size and not 0.

    Examples
    --------
    >>> str(Overlap(0.1))
    'm0 = 0.1'
    """

    m0: float

    def __post_init__(self) -> None:
        wanted = "a finite number in [-1, 1] (the overlap at t = 0; 0 means no spike)"
        m0 = checks.finite_number("m0", self.m0, low=-1.0, high=1.0, wanted=wanted)
        if 0.0 < abs(m0) < sys.float_info.min:
            raise ValueError(
                f"m0 = {m0!r} is not allowed: it must be 0 or at least {sys.float_info.min:.2g} in"
                " size, for smaller numbers have no relative accuracy"
            )
        object.__setattr__(self, "m0", m0)

    def __str__(self) -> str:
        return f"m0 = {self.m0:g}"


@dataclass(frozen=True)
class Thermal:
    """Start in equilibrium at temperature T0 with the unspiked loss of t = 0.

    Above the static transition T_K the disorder with its equilibrium configuration is, as N grows,
    a planted model: signal x(0) of strength 1/T0 (see docs/spiked/protocols.md).  So `m` of the
    solution is the overlap with the start, C(t, 0), and m(0) = 1.

    Parameters
    ----------
    T0 : float
        Temperature of the start, > 0; T_K or more (checked against the model when solving).
    m0 : float, default 0
        Overlap with a spike: only 0, for a spiked thermal start is not derived.

    Raises
    ------
    ValueError
        T0 is not > 0, or m0 is not 0.

    Examples
    --------
    >>> str(Thermal(1.2))
    'thermal T0 = 1.2'
    """

    T0: float
    m0: float = 0.0

    def __post_init__(self) -> None:
        wanted = "a finite number > 0 (temperature of the start)"
        object.__setattr__(self, "T0", checks.positive_number("T0", self.T0, wanted=wanted))
        if self.m0 != 0.0:
            raise ValueError(
                f"m0 = {self.m0!r} is not allowed with a thermal start: it must be 0, the spiked"
                " thermal start is not derived"
            )

    def __str__(self) -> str:
        return f"thermal T0 = {self.T0:g}"
