"""The reference tables: what each holds and how it is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dmft.reference_table import Column, ReferenceTable
from dmft.systems.generative.model import ACTIVATIONS, Activation, Channel
from dmft.systems.generative.theory.tables import default_deltas, mmse_table, transition_table
from dmft.tables import Columns

__all__ = ["ENTRIES"]

# Channel and aspect ratio.
MATRICES: tuple[tuple[Channel, float | None], ...] = (
    ("wigner", None), ("wishart", 0.5), ("wishart", 2.0)
)  # fmt: skip
ALPHAS = np.array([0.5, 1.0, 3.0])
DELTAS = np.array([0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0])
TRANSITION_ALPHAS = np.geomspace(0.1, 10.0, 21)
WITH_TRANSITION: tuple[Activation, ...] = ("linear", "sign")

# Stated errors.  With a third of the step of the quadrature all fixed points and their information
# stay the same to 3e-15, and the numerical transitions are within 6e-10 of the closed form.
POINT_ERROR, CLOSED_ERROR, NUMERICAL_ERROR = 1e-12, 1e-13, 1e-8


def _keyed(table: Columns, activation: Activation, channel: Channel, beta: float | None) -> Columns:
    """Return a table with the columns that name its part in front."""
    size = len(table["alpha"])
    return {
        "activation": np.full(size, activation), "channel": np.full(size, channel),
        "beta": np.full(size, np.nan if beta is None else beta), **table,
    }  # fmt: skip


def _points(activation: Activation, channel: Channel, beta: float | None) -> Callable[[], Columns]:
    def make() -> Columns:
        table = mmse_table(ALPHAS, DELTAS, activation, channel, beta)
        for name in ("error", "mmse_lamp", "mmse_pca"):
            del table[name]
        return _keyed(table, activation, channel, beta)

    return make


def _transitions(
    activation: Activation, channel: Channel, beta: float | None
) -> Callable[[], Columns]:
    return lambda: _keyed(
        transition_table(TRANSITION_ALPHAS, activation, channel, beta), activation, channel, beta
    )


def _curve(activation: Activation, alpha: float) -> Callable[[], Columns]:
    def make() -> Columns:
        # The same values of Delta for all alpha.
        table = mmse_table(alpha, default_deltas(ALPHAS, activation, "wigner", None), activation)
        names = ("alpha", "delta", "mmse", "mmse_lamp", "mmse_pca", "information")
        chosen = {name: table[name] for name in names}
        return {"activation": np.full(len(chosen["alpha"]), activation), **chosen}

    return make


ALPHA = Column("alpha", "compression ratio p/k")
ACTIVATION = Column("activation", "linear, sign or relu", kind="string")
DELTA = Column("delta", "noise variance Delta")
MATRIX = (
    ACTIVATION,
    Column("channel", "wigner: symmetric matrix; wishart: n x p", kind="string"),
    Column("beta", "aspect ratio n/p; NaN: wigner"),
)
MMSE = Column("mmse", "mean square error per component of the spike, rho - q_v", POINT_ERROR)
INFORMATION = Column(
    "information", "I(v; Y)/p (wigner), I(u, v; Y)/p (wishart), in nats", POINT_ERROR
)


def _name(activation: str, channel: str, beta: float | None) -> str:
    return f"{activation}, {channel}" + ("" if beta is None else f" {beta:g}")


ENTRIES: dict[str, ReferenceTable] = {
    "generative_fixed_points": ReferenceTable(
        "generative",
        "Fixed points of state evolution, spiked matrix with a generative prior",
        "dmft.theory.generative.fixed_point; root finding on quadratures",
        (
            *MATRIX, ALPHA, DELTA,
            Column("q_v", "overlap with the spike", POINT_ERROR),
            Column("q_z", "overlap with the latent vector", POINT_ERROR),
            Column("q_u", "overlap with the second factor; NaN: wigner", POINT_ERROR),
            MMSE, INFORMATION,
        ),
        {_name(a, *matrix): _points(a, *matrix) for a in ACTIVATIONS for matrix in MATRICES},
        ("linear, wigner", "sign, wigner", "relu, wishart 2"),
    ),
    "generative_transitions": ReferenceTable(
        "generative",
        "Noise above which the spike is lost, spiked matrix with a generative prior",
        "closed form; root of the growth rate of small overlaps, from the quadratures",
        (
            *MATRIX, ALPHA,
            Column("delta_c", "transition of AMP and LAMP, closed form", CLOSED_ERROR),
            Column("delta_c_numerical", "the same from the quadratures", NUMERICAL_ERROR),
            Column("delta_pca", "transition of principal components", CLOSED_ERROR),
        ),
        {_name(a, *m): _transitions(a, *m) for a in WITH_TRANSITION for m in MATRICES},
        ("linear, wigner", "sign, wishart 2"),
    ),
    "generative_mmse_curves": ReferenceTable(
        "generative",
        "Mean square error against the noise, Wigner matrix with a generative prior",
        "dmft.theory.generative.fixed_point and spectral_errors",
        (
            ACTIVATION, ALPHA, DELTA, MMSE,
            Column("mmse_lamp", "of LAMP, the spectral method knowing W; NaN: relu", POINT_ERROR),
            Column("mmse_pca", "of the leading eigenvector of the matrix", CLOSED_ERROR),
            INFORMATION,
        ),
        {f"{a}, {alpha:g}": _curve(a, float(alpha)) for a in ACTIVATIONS for alpha in ALPHAS},
        ("linear, 1", "sign, 3"),
    ),
}  # fmt: skip
