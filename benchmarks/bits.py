"""Fingerprints of six runs of the spiked model: whether a change of the code changed a single bit.

``python benchmarks/bits.py`` prints, for each run at one thread, the SHA-256 of all its arrays, the
number of times, the last mu and the error estimates.  Run it before and after a change, on the same
machine, and compare.  A minute on one core, half of it compilation.
"""

from __future__ import annotations

import hashlib

import numpy as np

import dmft

MODEL = dmft.SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
ESCAPE = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
COOLING = dmft.Protocol(
    dmft.Overlap(0.1), T=lambda t: 0.5 * np.exp(-t / 5), stages=[dmft.Stage(10.0, T=0.1)]
)
QUENCH = dmft.Protocol(
    dmft.Overlap(0.1), T=dmft.PowerLaw(1.0, 2.0, 1.0), stages=[dmft.Stage(1.0, T=0.1)]
)
RUNS = {
    "aging": (dmft.SpikedMixture({3: 1.0}), 1e4, {"m0": 0.0}),
    "escape": (ESCAPE, 1e3, {"m0": 1e-6, "preset": "loose"}),
    "driven": (MODEL, 20.0, {"protocol": COOLING, "tol": 1e-5}),
    "dense": (MODEL, 5.0, {"m0": 0.1, "T": 0.5, "method": "dense"}),
    "dense, driven": (MODEL, 3.0, {"protocol": QUENCH, "method": "dense", "tol": 1e-8}),
    "descent": (MODEL, 10.0, {"m0": 0.1, "T": 0.2, "method": "gradient_descent", "step": 0.05}),
}


def fingerprint(run: dmft.Solution) -> str:
    """Return the first digits of the SHA-256 of all arrays of a run."""
    found = hashlib.sha256()
    one_time = (run.t, run.m, run.mu, run.e_p)
    two_time = [values for _, (_, values, _) in sorted(run.grid.variables().items())]
    state = [run.state[name] for name in sorted(run.state)]
    for array in (*one_time, *two_time, *state):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    for name, (model, t_end, how) in RUNS.items():
        run = dmft.solve(model, t_end, threads=1, progress=False, **how)
        print(name, fingerprint(run), len(run.t), repr(float(run.mu[-1])), dict(run.errors))
