"""Compiled Gaussian averages and right-hand sides of online learning in two-layer networks.

The local fields x = (lambda_1..lambda_K, rho_1..rho_M) are Gaussian with covariance C.  Needed are
(D. Saad, S. A. Solla, Phys. Rev. E 52, 4225; arXiv:1906.08632, supplement)

    I2(a, b) = E g(x_a) g(x_b),              I3(i, b, a) = E g'(x_i) x_b g(x_a),
    I4(i, k, a, b) = E g'(x_i) g'(x_k) g(x_a) g(x_b),      J2(i, k) = E g'(x_i) g'(x_k).

erf and linear units have closed forms.  For ReLU units g' = Theta, and a product of Theta(x_j) over
a set S of distinct fields is all that is left, because Theta(x) relu(x) = relu(x).  With standard
deviations 1 and correlations rho, w_jl = sqrt(1 - rho_jl^2), integration by parts gives

    E x_a x_b Theta_S = rho_ab P(S)
        + sum_{j, l in S} rho_aj (rho_bl - rho_bj rho_lj)/w_jl P(S - {j, l} | x_j = x_l = 0)/(2 pi)

where P(S) is the probability that all fields of S are positive.  P is closed for up to three
fields; four fields take one quadrature, see :func:`_four_positive`.

All functions that call each other are in this file, because the cache of numba looks at one file.
Every function takes the code of the activation: 0 erf, 1 ReLU, 2 linear.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def _clip(value, bound):  # type: ignore[no-untyped-def]
    return min(max(value, -bound), bound)


@njit(cache=True, error_model="numpy")
def _erf_three(C, i, b, a):  # type: ignore[no-untyped-def]
    """E g'(x_i) x_b g(x_a) of g(x) = erf(x/sqrt 2)."""
    one = 1.0 + C[i, i]
    area = one * (1.0 + C[a, a]) - C[i, a] * C[i, a]
    return 2.0 / math.pi * (C[b, a] * one - C[i, b] * C[i, a]) / (one * math.sqrt(area))


@njit(cache=True, error_model="numpy")
def _erf_fours(C, i, k, out):  # type: ignore[no-untyped-def]
    """Fill out[a, b] with E g'(x_i) g'(x_k) g(x_a) g(x_b) of g(x) = erf(x/sqrt 2), for b <= a.

    The two weights g' turn C into another Gaussian, of which `out` is I2 times their average.
    """
    n = C.shape[0]
    one_i, one_k, c = 1.0 + C[i, i], 1.0 + C[k, k], C[i, k]
    L4 = one_i * one_k - c * c
    front = 4.0 / (math.pi * math.pi * math.sqrt(L4))
    for a in range(n):
        from_i = one_k * C[i, a] - c * C[k, a]
        from_k = one_i * C[k, a] - c * C[i, a]
        for b in range(a + 1):
            out[a, b] = L4 * C[a, b] - C[i, b] * from_i - C[k, b] * from_k
    # The diagonal becomes 1/sqrt(l_a) first: every other entry needs two of them.
    for a in range(n):
        out[a, a] = 1.0 / math.sqrt(L4 + out[a, a])
    for a in range(n):
        for b in range(a):
            out[a, b] = front * math.asin(_clip(out[a, b] * out[a, a] * out[b, b], 1.0))
    for a in range(n):
        out[a, a] = front * math.asin(_clip(1.0 - L4 * out[a, a] * out[a, a], 1.0))


@njit(cache=True, error_model="numpy")
def _correlations(C, s, rho):  # type: ignore[no-untyped-def]
    """Fill the standard deviations and the correlations; a field of size 0 is independent.

    Fields whose correlation is 1 up to rounding are the same: units that start alike stay alike,
    whereas Theta Theta would take a difference of 1e-16 in rho for one of 1e-8.
    """
    n = C.shape[0]
    for a in range(n):
        s[a] = math.sqrt(max(C[a, a], 0.0))
        rho[a, a] = 1.0
    for a in range(n):
        for b in range(a):
            size = s[a] * s[b]
            r = _clip(C[a, b] / size, 1.0) if size > 0.0 else 0.0
            if 1.0 - abs(r) < 1e-13:
                r = 1.0 if r > 0.0 else -1.0
            rho[a, b] = rho[b, a] = r


@njit(cache=True, error_model="numpy")
def _width(r):  # type: ignore[no-untyped-def]
    return math.sqrt(max((1.0 - r) * (1.0 + r), 0.0))


@njit(cache=True, error_model="numpy")
def _partial(rho, b, l, j):  # type: ignore[no-untyped-def]
    """(rho_bl - rho_bj rho_lj)/w_jl, which is at most w_bj in size; rounding must not exceed it."""
    width, most = _width(rho[j, l]), _width(rho[b, j])
    if b == l:
        return width
    if width == 0.0:
        return 0.0
    return _clip((rho[b, l] - rho[b, j] * rho[l, j]) / width, most)


@njit(cache=True, error_model="numpy")
def _relu_pair(r, of_one):  # type: ignore[no-untyped-def]
    """E x_p x_q Theta_p Theta_q, or E x_p^2 Theta_p Theta_q, at correlation r."""
    both = 0.25 + math.asin(r) / (2.0 * math.pi)
    if of_one:
        return both + r * _width(r) / (2.0 * math.pi)
    return r * both + _width(r) / (2.0 * math.pi)


@njit(cache=True, error_model="numpy")
def _relu_triple(rho, E):  # type: ignore[no-untyped-def]
    """Fill E[a, b] = E x_a x_b Theta_0 Theta_1 Theta_2 from 3 x 3 correlations."""
    angles = math.asin(rho[0, 1]) + math.asin(rho[0, 2]) + math.asin(rho[1, 2])
    positive = 0.125 + angles / (4.0 * math.pi)
    for b in range(3):
        for a in range(3):
            E[a, b] = rho[a, b] * positive
        for j in range(3):
            if j != b:
                term = 0.0
                for l in range(3):
                    if l != j:
                        term += _partial(rho, b, l, j)
                for a in range(3):
                    E[a, b] += rho[a, j] * term / (4.0 * math.pi)


@njit(cache=True, error_model="numpy")
def _factor(rho, fixed, order, A, L):  # type: ignore[no-untyped-def]
    """Cholesky factor L of 4 x 4 correlations with pivoting; row s of L is variable order[s].

    The variable `fixed` (-1: none) comes last.  Directions without variance get a column of zeros.
    What is computed from L belongs exactly to correlations that differ by rounding, so that large
    terms which cancel near alignment cancel here too.
    """
    for s in range(4):
        order[s] = s
        for r in range(4):
            A[s, r] = rho[s, r]
            L[s, r] = 0.0
    if fixed >= 0:
        order[fixed], order[3] = 3, fixed
    for s in range(4):
        best = s
        for r in range(s + 1, 3 if fixed >= 0 else 4):
            if A[order[r], order[r]] > A[order[best], order[best]]:
                best = r
        if best != s:
            order[s], order[best] = order[best], order[s]
            for c in range(s):
                L[s, c], L[best, c] = L[best, c], L[s, c]
        left = 0.0
        for r in range(s, 4):
            left = max(left, A[order[r], order[r]])
        if s in (1, 2) and left < 1e-14:
            # All fields are in a plane, or along one line: which of them are positive together is
            # decided by what little independent noise each has, and rounding is none.  This much
            # changes E by 2e-8.
            for r in range(s, 4):
                A[order[r], order[r]] += 1e-14
        pivot = A[order[s], order[s]]
        if pivot <= 0.0:
            continue
        L[s, s] = math.sqrt(pivot)
        for r in range(s + 1, 4):
            most = math.sqrt(max(A[order[r], order[r]], 0.0))
            L[r, s] = _clip(A[order[r], order[s]] / L[s, s], most)
        for r in range(s + 1, 4):
            for q in range(s + 1, 4):
                A[order[r], order[q]] -= L[r, s] * L[q, s]


@njit(cache=True, error_model="numpy")
def _det3(L, p, q, r, c0, c1, c2):  # type: ignore[no-untyped-def]
    return (
        L[p, c0] * (L[q, c1] * L[r, c2] - L[q, c2] * L[r, c1])
        - L[p, c1] * (L[q, c0] * L[r, c2] - L[q, c2] * L[r, c0])
        + L[p, c2] * (L[q, c0] * L[r, c1] - L[q, c1] * L[r, c0])
    )


@njit(cache=True, error_model="numpy")
def _area(L, p, q, r, s):  # type: ignore[no-untyped-def]
    """Scalar product of the areas spanned by rows p, q and rows r, s of the first three columns."""
    total = 0.0
    for c in range(3):
        d = (c + 1) % 3
        total += (L[p, c] * L[q, d] - L[p, d] * L[q, c]) * (L[r, c] * L[s, d] - L[r, d] * L[s, c])
    return total


@njit(cache=True, error_model="numpy")
def _minors(L, W):  # type: ignore[no-untyped-def]
    """Fill W[m, c] with the minor of L without row m and column c."""
    for m in range(4):
        p, q, r = (m == 0) * 1, 1 + (m <= 1) * 1, 2 + (m <= 2) * 1
        W[m, 0] = _det3(L, p, q, r, 1, 2, 3)
        W[m, 1] = _det3(L, p, q, r, 0, 2, 3)
        W[m, 2] = _det3(L, p, q, r, 0, 1, 3)
        W[m, 3] = _det3(L, p, q, r, 0, 1, 2)


@njit(cache=True, error_model="numpy")
def _four_positive(rho, order, L, rule):  # type: ignore[no-untyped-def]
    """P(x_0, x_1, x_2, x_3 > 0), with L factored so that variable order[3] is the last.

    R. L. Plackett (Biometrika 41, 351): dP/drho_ij is the density of x_i = x_j = 0 times the
    probability of the other two given that.  The correlations a_j of the last variable are scaled
    by t from 0, where P = P(three)/2, to 1.  With row (alpha, sqrt(1 - A^2)) of the last variable
    in L, A = |alpha|, the integrand is analytic in t but for cuts on the real axis at |t| >= 1/A,
    which t = tanh(u)/A maps to the lines |Im u| = pi/2: Gauss-Legendre nodes in
    [0, artanh A] converge geometrically, and their number grows with log(1 - A^2) only.
    """
    i, j, k, l = order[3], order[0], order[1], order[2]
    left = max(L[3, 3] * L[3, 3], 1e-16)
    A = math.sqrt(L[3, 0] * L[3, 0] + L[3, 1] * L[3, 1] + L[3, 2] * L[3, 2])
    scale = max(A, 0.1)
    beyond = left if scale == A else (1.0 - scale) * (1.0 + scale)
    length = 0.5 * math.log((1.0 + scale) ** 2 / beyond)
    # In 168 random cases more nodes changed the averages by less than 1e-14, fewer by 1e-11.
    row = min(int(0.9 * length + 1.0), rule.shape[0] - 1)
    nodes = 4 * (row + 1)
    a0, a1, a2 = rho[i, j], rho[i, k], rho[i, l]
    d01, d02, d12 = (
        _det3(L, 3, 0, 1, 0, 1, 2),
        _det3(L, 3, 0, 2, 0, 1, 2),
        _det3(L, 3, 1, 2, 0, 1, 2),
    )
    d3 = abs(L[0, 0] * L[1, 1] * L[2, 2])
    g0 = _area(L, 0, 1, 0, 2)
    g1 = _area(L, 1, 0, 1, 2)
    g2 = _area(L, 2, 0, 2, 1)
    total = 0.0
    for n in range(nodes):
        e = math.exp(-2.0 * length * rule[row, 0, n])
        t = (1.0 - e) / ((1.0 + e) * scale)
        cosh2 = 4.0 * e / ((1.0 + e) * (1.0 + e))
        beta2 = cosh2 if scale == A else 1.0 - (t * A) ** 2
        beta, t2 = math.sqrt(beta2), t * t
        w0 = math.sqrt(max(1.0 - t2 * a0 * a0, 1e-300))
        w1 = math.sqrt(max(1.0 - t2 * a1 * a1, 1e-300))
        w2 = math.sqrt(max(1.0 - t2 * a2 * a2, 1e-300))
        f0 = 0.5 * math.pi + math.atan2(beta2 * g0 + t2 * d01 * d02, beta * d3 * w0)
        f1 = 0.5 * math.pi + math.atan2(beta2 * g1 - t2 * d01 * d12, beta * d3 * w1)
        f2 = 0.5 * math.pi + math.atan2(beta2 * g2 + t2 * d02 * d12, beta * d3 * w2)
        total += rule[row, 1, n] * cosh2 * (a0 / w0 * f0 + a1 / w1 * f1 + a2 / w2 * f2)
    angles = math.asin(rho[j, k]) + math.asin(rho[j, l]) + math.asin(rho[k, l])
    integral = total * length / (scale * 4.0 * math.pi * math.pi)
    return 0.0625 + angles / (8.0 * math.pi) + integral


@njit(cache=True, error_model="numpy")
def _others(p, q):  # type: ignore[no-untyped-def]
    """Return the two of 0, 1, 2, 3 that are neither p nor q."""
    first = 0
    while first in (p, q):
        first += 1
    second = first + 1
    while second in (p, q):
        second += 1
    return first, second


@njit(cache=True, error_model="numpy")
def _merged(rho, E, small):  # type: ignore[no-untyped-def]
    """Fill E where two of the four fields are the same or opposite, and say whether they are."""
    for p in range(4):
        for q in range(p):
            if rho[p, q] == -1.0:
                E[:] = 0.0
                return True
            if rho[p, q] == 1.0:
                # Leave p out; q stands for both.
                for x in range(3):
                    for y in range(3):
                        small[x, y] = rho[x + (x >= p) * 1, y + (y >= p) * 1]
                E3 = np.empty((3, 3))
                _relu_triple(small, E3)
                for a in range(4):
                    for b in range(4):
                        at_a, at_b = q if a == p else a, q if b == p else b
                        E[a, b] = E3[at_a - (at_a > p) * 1, at_b - (at_b > p) * 1]
                return True
    return False


@njit(cache=True, error_model="numpy")
def _relu_quadruple(rho, rule, E, order, work):  # type: ignore[no-untyped-def]
    """Fill E[a, b], a != b, with E x_a x_b Theta_0..Theta_3 from 4 x 4 correlations."""
    if _merged(rho, E, work[0]):
        return
    A, L, W, h = work[0], work[1], work[2], work[3]
    _factor(rho, -1, order, A, L)
    _minors(L, W)
    root = abs(L[0, 0] * L[1, 1] * L[2, 2] * L[3, 3])
    least, last = math.inf, 0
    for p in range(4):
        size = 0.0
        for c in range(4):
            size += W[p, c] * W[p, c]
        if size < least:
            least, last = size, order[p]
        h[p, p] = 0.0
        for q in range(p):
            first, second = _others(p, q)
            j, l = order[first], order[second]
            dot = 0.0
            for c in range(4):
                dot += W[p, c] * W[q, c]
            if (p + q) % 2 == 0:
                dot = -dot
            angle = math.atan2(dot, _width(rho[j, l]) * root)
            h[j, l] = h[l, j] = (0.25 + angle / (2.0 * math.pi)) / (2.0 * math.pi)
    _factor(rho, last, order, A, L)
    positive = _four_positive(rho, order, L, rule)
    for b in range(4):
        for a in range(4):
            E[a, b] = rho[a, b] * positive
        for j in range(4):
            if j != b:
                term = 0.0
                for l in range(4):
                    if l != j:
                        term += _partial(rho, b, l, j) * h[j, l]
                for a in range(4):
                    E[a, b] += rho[a, j] * term


@njit(cache=True, error_model="numpy")
def two(C, code):  # type: ignore[no-untyped-def]
    """I2 of all pairs, shape (n, n)."""
    n = C.shape[0]
    out = np.empty((n, n))
    if code == 2:
        out[:] = C
    elif code == 0:
        for a in range(n):
            for b in range(a + 1):
                size = math.sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]))
                out[a, b] = out[b, a] = 2.0 / math.pi * math.asin(_clip(C[a, b] / size, 1.0))
    else:
        s, rho = np.empty(n), np.empty((n, n))
        _correlations(C, s, rho)
        for a in range(n):
            for b in range(a + 1):
                out[a, b] = out[b, a] = s[a] * s[b] * _relu_pair(rho[a, b], False)
    return out


@njit(cache=True, error_model="numpy")
def slopes(C, K, code):  # type: ignore[no-untyped-def]
    """J2 of the first K fields, shape (K, K)."""
    out = np.ones((K, K))
    s, rho = np.empty(C.shape[0]), np.empty(C.shape)
    if code == 1:
        _correlations(C, s, rho)
    for i in range(K):
        for k in range(i + 1):
            if code == 0:
                area = (1.0 + C[i, i]) * (1.0 + C[k, k]) - C[i, k] * C[i, k]
                out[i, k] = out[k, i] = 2.0 / (math.pi * math.sqrt(area))
            elif code == 1:
                out[i, k] = out[k, i] = 0.25 + math.asin(rho[i, k]) / (2.0 * math.pi)
    return out


@njit(cache=True, error_model="numpy")
def forces(C, c, K, code):  # type: ignore[no-untyped-def]
    """F[i, b] = sum_a c_a I3(i, b, a) for the first K fields i and all b."""
    n = C.shape[0]
    out = np.zeros((K, n))
    s, rho = np.empty(n), np.empty((n, n))
    if code == 1:
        _correlations(C, s, rho)
    for i in range(K):
        for a in range(n):
            if code == 0:
                for b in range(n):
                    out[i, b] += c[a] * _erf_three(C, i, b, a)
            elif code == 2:
                for b in range(n):
                    out[i, b] += c[a] * C[b, a]
            else:
                both = 0.25 + math.asin(rho[i, a]) / (2.0 * math.pi)
                edge = s[a] * _width(rho[i, a]) / (2.0 * math.pi)
                for b in range(n):
                    out[i, b] += c[a] * (C[b, a] * both + rho[b, i] * s[b] * edge)
    return out


@njit(cache=True, error_model="numpy")
def noise(C, c, K, code, rule):  # type: ignore[no-untyped-def]
    """S[i, k] = sum_ab c_a c_b I4(i, k, a, b) for the first K fields."""
    n = C.shape[0]
    out = np.zeros((K, K))
    if code == 1:
        _relu_noise(C, c, out, rule)
    elif code == 2:
        out[:] = c @ C @ c
    else:
        fours = np.empty((n, n))
        for i in range(K):
            for k in range(i + 1):
                _erf_fours(C, i, k, fours)
                total = 0.0
                for a in range(n):
                    for b in range(a):
                        total += 2.0 * c[a] * c[b] * fours[a, b]
                    total += c[a] * c[a] * fours[a, a]
                out[i, k] = out[k, i] = total
    return out


@njit(cache=True, error_model="numpy")
def _relu_noise(C, c, out, rule):  # type: ignore[no-untyped-def]
    """Every set of one to four distinct fields is averaged once and serves all pairs in it."""
    n, K = C.shape[0], out.shape[0]
    s, rho = np.empty(n), np.empty((n, n))
    _correlations(C, s, rho)
    f = c * s
    for p in range(n):
        if p < K:
            out[p, p] += 0.5 * f[p] * f[p]
        for q in range(min(p, K)):
            _add_pair(rho, f, out, p, q)
    small, E3, set3 = np.empty((3, 3)), np.empty((3, 3)), np.empty(3, np.int64)
    for p in range(n):
        for q in range(p):
            for r in range(min(q, K)):
                set3[0], set3[1], set3[2] = r, q, p
                for x in range(3):
                    for y in range(3):
                        small[x, y] = rho[set3[x], set3[y]]
                _relu_triple(small, E3)
                _add_triple(set3, E3, f, out)
    _relu_noise_of_four(rho, f, out, rule)
    for i in range(K):
        for k in range(i):
            out[k, i] = out[i, k]


@njit(cache=True, error_model="numpy")
def _add_pair(rho, f, out, p, q):  # type: ignore[no-untyped-def]
    """Sets {p, q} with q < p, q a student."""
    cross = 2.0 * f[p] * f[q] * _relu_pair(rho[p, q], False)
    square = _relu_pair(rho[p, q], True)
    out[q, q] += cross + f[p] * f[p] * square
    if p < out.shape[0]:
        out[p, p] += cross + f[q] * f[q] * square
        out[p, q] += cross + (f[p] * f[p] + f[q] * f[q]) * square


@njit(cache=True, error_model="numpy")
def _add_triple(members, E, f, out):  # type: ignore[no-untyped-def]
    """Sets of three: (i, i; a, b) for a student i, (i, k; a, b) with a or b beyond {i, k}."""
    K = out.shape[0]
    for x in range(3):
        i = members[x]
        y, z = (x == 0) * 1, 2 - (x == 2) * 1
        a, b = members[y], members[z]
        if i < K:
            out[i, i] += 2.0 * f[a] * f[b] * E[y, z]
        # Now x is the third field and y, z the pair of students.
        if b < K:
            pair = f[i] * f[i] * E[x, x]
            pair += 2.0 * f[i] * (f[a] * E[x, y] + f[b] * E[x, z])
            out[b, a] += pair


@njit(cache=True, error_model="numpy")
def _relu_noise_of_four(rho, f, out, rule):  # type: ignore[no-untyped-def]
    n, K = rho.shape[0], out.shape[0]
    small, E, work = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4, 4))
    members, order = np.empty(4, np.int64), np.empty(4, np.int64)
    for p in range(n):
        for q in range(p):
            for r in range(min(q, K)):
                for t in range(r):
                    members[0], members[1], members[2], members[3] = t, r, q, p
                    for x in range(4):
                        for y in range(4):
                            small[x, y] = rho[members[x], members[y]]
                    _relu_quadruple(small, rule, E, order, work)
                    for x in range(4):
                        for y in range(x):
                            i = members[x]
                            if i < K:
                                z, w = _others(x, y)
                                a, b = members[z], members[w]
                                out[i, members[y]] += 2.0 * f[a] * f[b] * E[z, w]


@njit(cache=True, error_model="numpy")
def unpack(y, K, T):  # type: ignore[no-untyped-def]
    """Return the covariance C of all fields from the packed state (upper Q, R, v)."""
    M = T.shape[0]
    C = np.empty((K + M, K + M))
    at = 0
    for i in range(K):
        for k in range(i, K):
            C[i, k] = C[k, i] = y[at]
            at += 1
    for i in range(K):
        for m in range(M):
            C[i, K + m] = C[K + m, i] = y[at]
            at += 1
    C[K:, K:] = T
    return C


@njit(cache=True, error_model="numpy")
def rhs(y, K, T, v_teacher, code, rates, rule):  # type: ignore[no-untyped-def]
    """Return dy/dt of the packed state, NaN beyond 1e100; rates = (eta, eta_v, kappa,
    kappa_v, sigma^2, eta^2).

    dR_in/dt = eta v_i F_in - kappa R_in,
    dQ_ik/dt = eta (v_i F_ik + v_k F_ki) - 2 kappa Q_ik + eta^2 v_i v_k (S_ik + sigma^2 J2_ik),
    dv_i/dt  = eta_v sum_a c_a I2(i, a) - kappa_v v_i,  with c = (-v, v_teacher).
    """
    M = T.shape[0]
    if not np.all(np.abs(y) < 1e100):
        return np.full(y.size, np.nan)
    C = unpack(y, K, T)
    v = y[y.size - K :]
    c = np.empty(K + M)
    c[:K] = -v
    c[K:] = v_teacher
    eta, eta_v, kappa, kappa_v = rates[0], rates[1], rates[2], rates[3]
    sigma2, eta2 = rates[4], rates[5]
    F = forces(C, c, K, code)
    S, J = np.zeros((K, K)), np.zeros((K, K))
    if eta2 != 0.0:
        S, J = noise(C, c, K, code, rule), slopes(C, K, code)
    out = np.empty(y.size)
    at = 0
    for i in range(K):
        for k in range(i, K):
            drift = eta * (v[i] * F[i, k] + v[k] * F[k, i]) - 2.0 * kappa * C[i, k]
            out[at] = drift + eta2 * v[i] * v[k] * (S[i, k] + sigma2 * J[i, k])
            at += 1
    for i in range(K):
        for m in range(M):
            out[at] = eta * v[i] * F[i, K + m] - kappa * C[i, K + m]
            at += 1
    out[at:] = 0.0
    if eta_v != 0.0 or kappa_v != 0.0:
        I2 = two(C, code)
        for i in range(K):
            for a in range(K + M):
                out[at + i] += eta_v * c[a] * I2[i, a]
            out[at + i] -= kappa_v * v[i]
    return out
