"""The field of one instance at any finite N, revealed by conditioning, without a stored tensor.

The rotation-invariant form of the loss is the Gaussian field of covariance N Q(x.y/N).  (The sum
over i1 < ... < ip differs from it by a term in 1/N.)  With x = sqrt(N) c, v_0 = x*/sqrt(N) and
symmetric Gaussian tensors S_p, Var<S_p, A> = |Sym A|^2,

    -grad H = sqrt(N) Q'(m) v_0 + F(c),         F(c) = sum_p sqrt(p/Delta_p) S_p(c^(p-1), .)
    e       = -Q(m) - sum_p S_p(c^p)/sqrt(N p Delta_p)
    Cov F_a(c) F_b(c') = Q'(c.c') delta_ab + Q''(c.c') c'_a c_b

A query at c_k reveals B_k = F(c_k) + sqrt(2T/h) xi_k.  Let the d directions seen so far span the
c_j and B_j, j < k.  Within the span B_k follows from the tensors restricted to it, and fresh noise.
Beyond it the components of B_1..B_k along any direction are independent of other directions, with
covariance ``K_ij = Q'(c_i.c_j) + (2T/h) delta_ij = L L^T``, and those of B_1..B_(k-1) are zero:

    B_k = (in the span) + s chi_(N-d) v_new,    s^2 = Q'(1) + 2T/h - |l|^2,   l = L^-1 [Q'(c_j.c_k)]

with one chi variate and one new direction for each query.  The slice of S_p along v_new is drawn,
then conditioned on the components b = (0, ..., 0, s chi) of B_1..B_k along v_new
(`RevealedField._reveal`).  Any sequence of queries is answered, also that of the stages of a
Runge-Kutta method.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from dmft.systems.spiked.model import SpikedMixture
from validation.systems.spiked.instances import MEMORY_LIMIT
from validation.systems.spiked.limit import Gram, StepLoss

__all__ = ["Restricted", "RevealedField", "check_memory"]

Array = NDArray[np.float64]

# Largest residual of K lambda = b - y, in units of sqrt(K_kk) chi: above it L is not the factor of
# K.  Runs with a sound factor have 1e-15 at T > 0, and 1e-8 at T = 0 with a nugget of 1e-7.
LARGEST_RESIDUAL = 1e-6


def symmetric_gaussian(size: int, order: int, rng: np.random.Generator) -> Array:
    """Return Z, symmetric of shape (size,)*order, with Var<Z, A> = |A|^2 for symmetric A."""
    free = rng.standard_normal((size,) * order)
    if order < 2:
        return free
    permutations = itertools.permutations(range(order))
    return np.asarray(sum(free.transpose(q) for q in permutations)) / math.factorial(order)


class Restricted:
    """A symmetric Gaussian tensor of order p restricted to directions that come one by one.

    Slice a holds, for r = 1..p, the entries T_r = S(v_a^r, . , ..., .) with index a exactly r times
    and all others below a: symmetric of order p - r, Var<T_r, A> = |A|^2/binom(p, r).

    Parameters
    ----------
    p : int
        Order.
    """

    def __init__(self, p: int) -> None:
        self.p = p
        self.slices: list[list[Array]] = []
        # How often T_r occurs in S(c^(p-1), v_b) for b < a, and for b = a.
        self.below = [math.comb(p - 1, r) for r in range(1, p + 1)]
        self.at = [math.comb(p - 1, r - 1) for r in range(1, p + 1)]

    def contract(self, c: Array) -> Array:
        """Return S(c^(p-1), .) on the directions seen, shape (d,)."""
        result = np.zeros(len(self.slices))
        for a, tensors in enumerate(self.slices):
            below, gamma = c[:a], float(c[a])
            for r, tensor in enumerate(tensors, start=1):
                for _ in range(self.p - r - 1):
                    tensor = tensor @ below
                if r < self.p:
                    result[:a] += (self.below[r - 1] * gamma**r) * tensor
                    tensor = tensor @ below
                result[a] += self.at[r - 1] * gamma ** (r - 1) * float(tensor)
        return result

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """Return the next slice, as if nothing was known of it."""
        d, p = len(self.slices), self.p
        return [
            symmetric_gaussian(d, p - r, rng) / math.sqrt(math.comb(p, r)) for r in range(1, p + 1)
        ]


def at_points(Z: Array, points: Array) -> Array:
    """Return ``Z(c_j, ..., c_j)`` for the rows c_j of `points`, shape (k,)."""
    values = Z @ points.T
    while values.ndim > 1:
        values = np.einsum("...ak,ka->...k", values, points)
    return values


def sum_of_powers(points: Array, weights: Array, order: int) -> Array:
    """Return ``sum_j weights_j c_j^(x)order``, shape (d,)*order."""
    powers = weights
    for _ in range(order - 1):
        powers = powers[..., None, :] * points.T
    return np.asarray(powers @ points)


class RevealedField:
    """The field of one instance, as far as it is revealed.

    Parameters
    ----------
    model : SpikedMixture
        Any mixture.
    n : float
        Number of components N; any size, for no vector of N components is stored.
    nugget2, known, room
        See `Gram` in limit.py.
    rng : Generator
        Source of the random numbers.
    """

    def __init__(
        self,
        model: SpikedMixture,
        n: float,
        nugget2: float,
        known: float,
        room: int,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.n, self.rng = model, n, rng
        self.gram = Gram(model, nugget2, known, room)
        self.start = self.gram.start
        self.tensors = {p: Restricted(p) for p in model.orders}
        for tensor in self.tensors.values():
            # The slices along v_0 and along the start are not conditioned on anything.
            tensor.slices.append(tensor.draw(rng))
            tensor.slices.append(tensor.draw(rng))
        self.d = 2

    def query(self, c: Array, loss: StepLoss | None = None) -> tuple[Array, float, float]:
        """Return ``B/sqrt(N) + Q'(m) v_0``, shape (dimension,), e and x.grad H/N at c.

        Without `loss` it is the model's.

        Raises
        ------
        ArithmeticError
            See `Gram` in limit.py; or the conditioning is inexact.
        MemoryError
            The next direction would take more than 8 GB.
        """
        d, root, m = self.d, math.sqrt(self.n), float(c[0])
        now = loss or self.gram.own
        force, e, slope = np.zeros(len(c)), 0.0, 0.0
        for k, (p, tensor) in enumerate(self.tensors.items()):
            part = self._sizes(p, now.weights[k]) * tensor.contract(c[:d])
            force[:d] += part
            e_p = -now.signal[k] * m**p / p - float(part @ c[:d]) / (root * p)
            e, slope = e + e_p, slope + p * e_p
        force[:d] += math.sqrt(now.nugget2) * self.rng.standard_normal(d)
        row, s = self.gram.row(c, now)
        # With d = N directions all of the field is known already.
        if s > 0.0 and d < self.n:
            check_memory(self.model, d + 1)
            chi = math.sqrt(self.rng.chisquare(self.n - d))
            self.gram.reveal(c, row, s, now)
            self._reveal(chi)
            force[d] = s * chi
        force /= root
        force[0] += float(now.signal @ m ** (self.gram.orders - 1))
        return force, e, slope

    def _sizes(self, p: int, weight: Any) -> Any:
        """Return the factor of S_p in F: sqrt(p/Delta_p) if the weight is 1/Delta_p."""
        return math.sqrt(p * self.model.channels[p]) * weight

    def _reveal(self, chi: float) -> None:
        """Append the slices along v_new, given that B_1..B_k have components (0, .., 0, s chi).

        Drawn without this knowledge, those components are ``y_j = sum_p sqrt(p/Delta_p)
        T_1(c_j^(p-1)) + sqrt(2T/h) xi_j`` with covariance K, and ``Cov(T_1, y_j) =
        sqrt(p/Delta_p)/p c_j^(p-1)``.  So ``T_1 += sqrt(p/Delta_p)/p sum_j lambda_j c_j^(p-1)``
        with ``K lambda = b - y`` has the conditional law.  The noise along v_new does not enter any
        later query.  Where the loss changes, query j has sqrt(p Delta_p) w_p(j) in place of
        sqrt(p/Delta_p).
        """
        L, points = self.gram.L, self.gram.points[:, : self.d]
        y = np.sqrt(self.gram.nuggets) * self.rng.standard_normal(len(L))
        sizes = {p: self._sizes(p, self.gram.weights[:, k]) for k, p in enumerate(self.tensors)}
        for p, tensor in self.tensors.items():
            tensor.slices.append(tensor.draw(self.rng))
            y += sizes[p] * at_points(tensor.slices[-1][0], points)
        white = -np.asarray(solve_triangular(L, y, lower=True))
        white[-1] += chi  # L^-1 b: b has one entry, L[-1, -1] chi
        weights = np.asarray(solve_triangular(L, white, lower=True, trans=1))
        self._check(points, weights, y, chi)
        for p, tensor in self.tensors.items():
            tensor.slices[-1][0] += sum_of_powers(points, weights * sizes[p] / p, p - 1)
        self.d += 1

    def _check(self, points: Array, weights: Array, y: Array, chi: float) -> None:
        """Raise ArithmeticError unless ``K weights = b - y``: nothing else shows a wrong L."""
        wanted = -y
        wanted[-1] += float(self.gram.L[-1, -1]) * chi
        q, w = points @ points.T, self.gram.weights
        K = np.zeros_like(q)
        for k, (p, delta) in enumerate(self.model.channels.items()):
            K += delta * np.outer(w[:, k], w[:, k]) * q ** (p - 1)
        residual = K @ weights + self.gram.nuggets * weights - wanted
        scale = max(chi, 1.0) * math.sqrt(float(K[-1, -1]) + float(self.gram.nuggets[-1]))
        worst = float(np.max(np.abs(residual))) / scale
        if not worst <= LARGEST_RESIDUAL:  # true of NaN too
            raise ArithmeticError(
                f"the conditioning is inexact after {len(y)} queries (residual {worst:.1e}, allowed"
                f" {LARGEST_RESIDUAL:g}): raise the nugget"
            )


def check_memory(model: SpikedMixture, directions: int) -> None:
    """Raise MemoryError if tensors of so many directions take more than 8 GB."""
    d = float(directions)
    largest = 3.0 * d ** (max(model.orders) - 1) + 2.0 * d**2
    needed = 8.0 * (sum(d**p / p for p in model.orders) + largest)
    if needed > MEMORY_LIMIT:
        raise MemoryError(
            f"{directions} directions with p = {model.orders[-1]} take {needed / 1e9:.1f} GB, more"
            f" than {MEMORY_LIMIT / 1e9:.3g} GB: raise step or lower the last time"
        )
