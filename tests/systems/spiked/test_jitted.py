"""What numba compiles is what Python runs: the same numbers without compiling."""

import json
import os
import subprocess
import sys

import numpy as np

PROGRAM = """
import json
import dmft
from dmft import Overlap, Protocol

model = dmft.SpikedMixture({2: 0.9, 3: 1.5})
driven = Protocol(Overlap(0.2), T=lambda t: 0.5 + t, stages=[(0.03, {"learning_rate": 2.0})])
plain = Protocol(Overlap(0.2), T=0.5)
found = {}
for name, protocol in {"plain": plain, "driven": driven}.items():
    for method, how in {
        "slices": {"tol": 1e-2, "options": dmft.SlicesOptions(order=7, first_step=5e-3)},
        "dense": {"tol": 1e-4},
        "gradient_descent": {"step": 0.01},
    }.items():
        s = dmft.solve(model, 0.06, protocol=protocol, method=method, progress=False, **how)
        assert s.success, s.message
        t = [0.01, 0.02, 0.06]
        found[f"{name}, {method}"] = [
            list(map(float, values))
            for values in (s.at(t).m, s.at(t).mu, s.at(t).e, s.C(t, 0.004), s.R(t, 0.004))
        ]
print(json.dumps(found))
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout)


def test_compiled_code_is_the_python_code():
    compiled, interpreted = run(), run(NUMBA_DISABLE_JIT="1")
    assert compiled.keys() == interpreted.keys()
    for name, values in compiled.items():
        # Contracted multiply-add and the sequence of sums differ; nothing else.
        np.testing.assert_allclose(values, interpreted[name], rtol=0, atol=1e-12, err_msg=name)
