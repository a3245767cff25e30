"""What a file of runs of the spiked model holds: t, m, e, seed, N, and parameters."""

from __future__ import annotations

from typing import Any

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Protocol
from validation.runs import SAME, RunFormat
from validation.systems.spiked.simulate import start_of

__all__ = ["parameters", "run_format"]


def parameters(model: SpikedMixture, protocol: Protocol) -> dict[str, float]:
    """Return m0, delta_p of each channel, and T if it is all there is of the protocol."""
    deltas = {f"delta_{p}": delta for p, delta in model.channels.items()}
    T = protocol.T
    temperature = {"T": T} if protocol.plain and isinstance(T, float) else {}
    return {"m0": start_of(protocol), **temperature, **deltas}


def run_format(theory: Any) -> RunFormat:
    """Return the format of runs that are compared with a `SpikedSolution`.

    p and delta_p are those of the highest order.  A temperature that depends on time, or changes at
    a stage, has no column.
    """
    model, protocol = theory.model, theory.protocol
    given = parameters(model, protocol)
    given |= {"p": float(model.orders[-1]), "delta_p": model.deltas[-1]}
    if isinstance(protocol.T, float) and all(stage.T is None for stage in protocol.stages):
        given["T"] = protocol.T
    return RunFormat(
        quantities=("m", "e"),
        bounds={"m": (-1.0 - SAME, 1.0 + SAME)},
        given=given,
        start={"m": given["m0"]},
        parameters=r"delta_\d+",
    )
