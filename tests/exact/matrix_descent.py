"""Exact solution of discrete, normalised gradient descent (Langevin) with a matrix channel only.

The matrix is tridiagonal in the basis that Lanczos makes from the spike, with J beside the diagonal
and J0 at the first place, so that powers of 1 + h A are finite matrices; no response is needed.
"""

from __future__ import annotations

import numpy as np


def matrix_descent(delta_2: float, m0: float, T: float, h: float, steps: int):
    """Return m (steps+1,), C and R (steps+1, steps+1), R with ones on its diagonal."""
    J, J0, size = delta_2**-0.5, 1.0 / delta_2, 2 * steps + 2
    bulk = np.eye(size) + h * J * (np.eye(size, k=1) + np.eye(size, k=-1))
    spiked = bulk.copy()
    spiked[0, 0] += h * J0

    def moments(matrix):
        vector, out = np.eye(size)[0], []
        for _ in range(2 * steps + 1):
            out.append(vector[0])
            vector = matrix @ vector
        return np.array(out)

    g, g_spiked = moments(bulk), moments(spiked)
    Z2 = np.ones(steps + 1)

    def product(k, l):
        # Noise of step j enters after its gradient step and is carried through k-1-j others.
        start = m0**2 * g_spiked[k + l] + (1 - m0**2) * g[k + l]
        j = np.arange(min(k, l))
        return start + 2 * T * h * float(np.sum(Z2[j] * g[k + l - 2 * j - 2]))

    for k in range(1, steps + 1):
        Z2[k] = product(k, k)
    Z = np.sqrt(Z2)
    m = m0 * g_spiked[: steps + 1] / Z
    C, R = np.eye(steps + 1), np.eye(steps + 1)
    for k in range(steps + 1):
        for l in range(k):
            C[k, l] = C[l, k] = product(k, l) / (Z[k] * Z[l])
            R[k, l] = g[k - l - 1] * Z[l] / Z[k]
    return m, C, R
