"""Jitted lookups in the history of slices: R(s,t') and C(s,t') between slices and between nodes.

A slice of time t carries R and C on 2J dyadic panels of phi = t'/t, edges {0, 2^-J, .., 1/2} and
their mirror images, with P + 1 Chebyshev-Lobatto nodes each and shared ends.  Positions come as t'
and tau = t - t', each to full relative precision.  Between slices, values are interpolated in
u = log(1 + t) by Lagrange polynomials along curves on which both boundary layers stand still.

Arrays of the history: t, u (n,), J (n,) panels of half a slice, start (n,) offsets of its nodes in
the flat arrays R and C.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

__all__ = ["count_points", "fill_points", "interpolate", "one_time", "predict"]

# For s below this (the width of a boundary layer) the curves are those of fixed phi.
EARLY = 1.0


@njit(cache=True)
def _locate(t_prime, tau, t, J):  # type: ignore[no-untyped-def]
    """Return the panel of t' in a slice of time t and the position in it, in [-1, 1]."""
    near = min(t_prime, tau) / t
    panel, low, width = 0, 0.0, 0.5**J
    if near >= width:
        _, exponent = math.frexp(near)
        exponent = min(exponent - 1, -2)
        low = 2.0**exponent
        width = low
        panel = exponent + J + 1
    x = min(1.0, max(-1.0, 2.0 * (near - low) / width - 1.0))
    if t_prime <= tau:
        return panel, x
    return 2 * J - 1 - panel, -x


@njit(cache=True)
def _barycentric(x, nodes, weights, out):  # type: ignore[no-untyped-def]
    """Fill the values at x of the Lagrange basis on the nodes."""
    total = 0.0
    for l in range(nodes.size):
        difference = x - nodes[l]
        if difference == 0.0:
            out[:] = 0.0
            out[l] = 1.0
            return
        out[l] = weights[l] / difference
        total += out[l]
    for l in range(nodes.size):
        out[l] /= total


@njit(cache=True)
def _stencil(s, t, last, interior, end):  # type: ignore[no-untyped-def]
    """Return first and last slice of the stencil for time s among slices 0..last.

    `interior` + 1 slices around the nearest one; on the last interval only `end` + 1, which is what
    keeps the method stable.
    """
    i = np.searchsorted(t[: last + 1], s) - 1
    i = min(max(i, 0), last - 1)
    if i == last - 1:
        return max(0, last - end), last
    nearest = i if s - t[i] < t[i + 1] - s else i + 1
    low = min(max(nearest - interior // 2, 0), max(last - interior, 0))
    return low, min(low + interior, last)


@njit(cache=True)
def _lagrange(s, u, low, high, out):  # type: ignore[no-untyped-def]
    """Fill the Lagrange weights in u at time s of the slices low..high."""
    x = math.log1p(s)
    for i in range(low, high + 1):
        value = 1.0
        for j in range(low, high + 1):
            if j != i:
                value *= (x - u[j]) / (u[i] - u[j])
        out[i - low] = value


@njit(cache=True)
def _on_curve(s, t_prime, tau, s_i):  # type: ignore[no-untyped-def]
    """Follow the curve through (s, t') to the slice of time s_i: return t' and tau there.

    From the nearer end, y_i = y (s_i/s)^g with g = (y^2 + 1)/(y^2 + s + 1): fixed y in the boundary
    layer, fixed phi outside and early on.
    """
    y = min(t_prime, tau)
    y_i = y * (s_i / s) ** ((y * y + EARLY) / (y * y + s + EARLY))
    if t_prime <= tau:
        return y_i, s_i - y_i
    return s_i - y_i, y_i


@njit(cache=True)
def _lookup(t_prime, tau, t, u, J, start, R, C, low, high, skip, nodes, weights, work):  # type: ignore[no-untyped-def]
    """Return R and C at (s = t' + tau, t') from slices low..high, slice `skip` left out.

    work : shape (2, max(stencil, P + 1)).
    """
    s = t_prime + tau
    lagrange, basis = work[0], work[1][: nodes.size]
    _lagrange(s, u, low, high, lagrange)
    r, c = 0.0, 0.0
    for i in range(low, high + 1):
        if i == skip:
            continue
        weight = lagrange[i - low]
        if t[i] == 0.0 or s == 0.0:
            r += weight
            c += weight
            continue
        a, b = _on_curve(s, t_prime, tau, t[i])
        panel, x = _locate(a, b, t[i], J[i])
        _barycentric(x, nodes, weights, basis)
        first = start[i] + panel * (nodes.size - 1)
        r_i, c_i = 0.0, 0.0
        for l in range(nodes.size):
            r_i += basis[l] * R[first + l]
            c_i += basis[l] * C[first + l]
        r += weight * r_i
        c += weight * c_i
    return r, c


@njit(cache=True, parallel=True)
def interpolate(t_prime, tau, t, u, J, start, R, C, interior, end, nodes, weights, r, c):  # type: ignore[no-untyped-def]
    """Fill r and c with R and C at many points (t' + tau, t')."""
    for k in prange(t_prime.size):
        work = np.empty((2, 16 + nodes.size))
        low, high = _stencil(t_prime[k] + tau[k], t, t.size - 1, interior, end)
        r[k], c[k] = _lookup(
            t_prime[k], tau[k], t, u, J, start, R, C, low, high, -1, nodes, weights, work
        )


@njit(cache=True, parallel=True)
def predict(t_prime, tau, t, u, J, start, R, C, degree, nodes, weights, r, c):  # type: ignore[no-untyped-def]
    """Extrapolate R and C to a later slice from the last `degree` + 1 ones."""
    last = t.size - 1
    low = max(0, last - degree)
    for k in prange(t_prime.size):
        work = np.empty((2, 16 + nodes.size))
        r[k], c[k] = _lookup(
            t_prime[k], tau[k], t, u, J, start, R, C, low, last, -1, nodes, weights, work
        )


@njit(cache=True)
def _levels(length, h0):  # type: ignore[no-untyped-def]
    """Number of dyadic panels from each end down to a width of h0."""
    if length <= 2.0 * h0:
        return 1
    return math.ceil(math.log2(length / h0))


@njit(cache=True)
def count_points(t_prime, tau, h0, n_gauss):  # type: ignore[no-untyped-def]
    """Return where the quadrature points of each node begin, shape (n_nodes, 3).

    Columns: the interval (0, t'), the interval (t', t), and where the next node begins.
    """
    begin = np.zeros((t_prime.size, 3), dtype=np.int64)
    total = 0
    for k in range(t_prime.size):
        begin[k, 0] = total
        if t_prime[k] > 0.0:
            total += 2 * _levels(t_prime[k], h0) * n_gauss
        begin[k, 1] = total
        if tau[k] > 0.0:
            total += 2 * _levels(tau[k], h0) * n_gauss
        begin[k, 2] = total
    return begin


@njit(cache=True)
def _graded_point(index, length, levels, gauss_x, gauss_w):  # type: ignore[no-untyped-def]
    """Return distance from the left end, from the right end, and weight of a quadrature point."""
    panel, i = index // gauss_x.size, index % gauss_x.size
    mirrored = panel >= levels
    if mirrored:
        panel = 2 * levels - 1 - panel
    low = 0.0 if panel == 0 else length * 0.5 ** (levels - panel + 1)
    width = length * 0.5**levels if panel == 0 else low
    near = low + 0.5 * width * (1.0 + (-gauss_x[i] if mirrored else gauss_x[i]))
    weight = 0.5 * width * gauss_w[i]
    if mirrored:
        return length - near, near, weight
    return near, length - near, weight


@njit(cache=True, parallel=True)
def fill_points(  # type: ignore[no-untyped-def]
    node_t, node_tau, begin, h0, gauss_x, gauss_w, t, u, J, start, R, C, interior, end,
    nodes, weights, w, here_panel, here_x, known_r, known_c, new_w, new_panel, new_x,
):  # fmt: skip
    """Fill all that the quadrature points need and that does not change while a slice is solved.

    w : weight of the rule.  here_* : where s lies in the new slice.  known_* : R and C at
    (t', s) for s < t' and at (s, t') for s > t', without the new slice, which enters with the
    weight new_w at the place new_*.
    """
    last = t.size - 1
    for k in prange(node_t.size):
        work = np.empty((2, 16 + nodes.size))
        for q in range(begin[k, 0], begin[k, 2]):
            early = q < begin[k, 1]
            length = node_t[k] if early else node_tau[k]
            first = begin[k, 0] if early else begin[k, 1]
            levels = _levels(length, h0)
            left, right, w[q] = _graded_point(q - first, length, levels, gauss_x, gauss_w)
            if early:  # s = left: the pair (t', s)
                here_panel[q], here_x[q] = _locate(left, node_tau[k] + right, t[last], J[last])
                t_prime, tau = left, right
            else:  # s = t' + left: the pair (s, t')
                here_panel[q], here_x[q] = _locate(node_t[k] + left, right, t[last], J[last])
                t_prime, tau = node_t[k], left
            s = t_prime + tau
            low, high = _stencil(s, t, last, interior, end)
            known_r[q], known_c[q] = _lookup(
                t_prime, tau, t, u, J, start, R, C, low, high, last, nodes, weights, work
            )
            new_w[q], new_panel[q], new_x[q] = 0.0, 0, 0.0
            if high == last:
                new_w[q] = work[0, high - low]
                a, b = _on_curve(s, t_prime, tau, t[last])
                new_panel[q], new_x[q] = _locate(a, b, t[last], J[last])


@njit(cache=True)
def one_time(s, t, u, values, interior, end, known, new_w):  # type: ignore[no-untyped-def]
    """Fill values at the times s without the last slice, and the weight of that slice.

    values, known : shapes (n_values, n_slices) and (n_values, n_times).
    """
    last = t.size - 1
    weights = np.empty(16)
    for k in range(s.size):
        low, high = _stencil(s[k], t, last, interior, end)
        _lagrange(s[k], u, low, high, weights)
        new_w[k] = weights[high - low] if high == last else 0.0
        for a in range(values.shape[0]):
            total = 0.0
            for i in range(low, min(high, last - 1) + 1):
                total += weights[i - low] * values[a, i]
            known[a, k] = total
