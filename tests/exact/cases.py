"""The models that every solver has to pass, and reference values (theory.md of the design; an
independent extrapolation of uniform grids reproduces them to 1e-12)."""

from __future__ import annotations

from typing import NamedTuple

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture


class Case(NamedTuple):
    name: str
    model: SpikedMixture
    m0: float
    T: float


class Row(NamedTuple):
    """Values at t = 10; None where no reference exists."""

    case: Case
    m: float | None
    mu: float
    e: float
    C_10_5: float | None
    R_10_5: float | None


SEED = SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
CASES = (
    Case("p3-T0", SEED, 0.1, 0.0),
    Case("p3-T1", SEED, 0.1, 1.0),
    Case("p4-T0", SpikedMatrixTensor(p=4, delta_2=1 / 3, delta_p=4.0), 0.01, 0.0),
    Case("three-T0", SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0}), 0.1, 0.0),
    Case("three-T1", SpikedMixture({2: 0.3, 3: 0.2, 4: 0.5}), 0.1, 1.0),
    Case("no-spike", SpikedMixture({3: 1.0}), 0.0, 0.0),
)

ROWS = (
    Row(CASES[0], 0.482921597844, 3.60320883324, -1.52089876732, 0.870613781050, 0.0199335579054),
    Row(CASES[1], 0.210535962756, 3.25175907879, -0.967983582753, None, None),
    Row(CASES[5], 0.0, 2.62205881340, -2.62205881340 / 3, 0.908553613508, None),
)
