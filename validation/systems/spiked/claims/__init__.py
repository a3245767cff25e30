"""The claims about the spiked model, each with the simulation that it rests on.

A claim is a function of the size (True: few seeds) that solves, simulates and compares; it returns
`Evidence`.  Every claim has seeds of its own, so that it can be repeated alone.
"""

from __future__ import annotations

from validation.evidence import Claim
from validation.systems.spiked.claims import any_n, limits, statics, stored_tensors
from validation.systems.spiked.claims.models import PROTOCOLS

__all__ = ["CLAIMS"]

CLAIMS: dict[str, Claim] = {
    "descent": any_n.descent,
    "langevin": any_n.langevin,
    "flow": any_n.flow,
    "mixture": any_n.mixture,
    "p4": any_n.pure_four,
    **{key: any_n.driven(key) for key in PROTOCOLS},
    "thermal": any_n.thermal,
    "momentum": any_n.momentum,
    "endpoint": any_n.endpoint,
    "stored-flow": stored_tensors.stored_flow,
    "stored-langevin": stored_tensors.stored_langevin,
    "stored-mixture": stored_tensors.stored_four,
    "annealing-bias": stored_tensors.annealing_bias,
    "amp": statics.message_passing,
    "hessian": statics.hessians,
    "complexity": statics.complexity,
    "limit": limits.limits,
    "sensitivity": any_n.sensitivity,
}
