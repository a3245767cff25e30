"""Parts of the slice method on functions with known answers."""

from __future__ import annotations

import math
from math import comb

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.solvers.slices._quadrature import quadrature
from dmft.systems.spiked.solvers.slices.accuracy import Mesh, interpolation_defect, new_grid
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.options import SlicesOptions
from dmft.systems.spiked.solvers.slices.rule import FULL, MATURE
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time.slices import SliceGrid

T0 = 1.0


def c_exact(t, t_prime):
    """Aging plus boundary layers of fixed width at both ends."""
    tau = t - t_prime
    slow = np.sqrt((1.0 + t_prime) / (1.0 + t))
    return 0.6 * slow + 0.3 * np.exp(-tau) + 0.1 * np.exp(-t_prime)


def smooth(t, t_prime):
    """A function that is smooth in the triangle up to t = 0."""
    return (1.0 + t_prime) / (1.0 + t) * np.exp(-0.1 * (t - t_prime) / (1.0 + t))


def filled(times, function, order=12):
    """A history whose slices hold a known function."""
    history = History(order, T0, 0.5, 1.0, True)
    for t in times:
        grid = panels.slice_grid(t, 0.5, order)
        values = function(np.full_like(grid.nodes, t), grid.nodes)
        history.append(grid, values, values, 0.5 + 0.1 * np.log1p(t), 1.0 + np.log1p(t) ** 2)
    return history


@pytest.mark.parametrize("order", [6, 12, 16])
def test_differentiation_is_exact_for_polynomials(order):
    reference = panels.reference(order)
    value = reference.nodes**order - reference.nodes
    slope = order * reference.nodes ** (order - 1) - 1.0
    assert np.allclose(reference.derivative @ value, slope, atol=1e-10)


@pytest.mark.parametrize("t", [1e-6, 0.3, 17.0, 1e4, 1e8])
def test_panels_are_graded_and_keep_both_distances(t):
    grid = panels.slice_grid(t, 0.5, 12)
    assert grid.edges[0] == 0.0
    assert grid.edges[-1] == t
    assert grid.nodes_tau[-1] == 0.0
    assert min(np.diff(grid.edges)[0], -np.diff(grid.edges_tau)[-1]) <= 0.5
    assert np.allclose(grid.nodes + grid.nodes_tau, t, rtol=1e-15)
    assert np.all(np.diff(grid.nodes) >= 0.0)
    assert np.all(np.diff(grid.nodes_tau) < 0.0) or t >= 1e8
    assert len(grid.edges) <= 2 * np.log2(max(t, 1.0)) + 6


@pytest.mark.parametrize("t", [0.3, 17.0, 1e4])
def test_nodes_are_where_the_coordinates_are(t):
    """What spreads nodes, what finds coordinates, and what differentiates: one map."""
    x = panels.reference(12).nodes
    for layout in (panels.PLAIN, panels.Layout(near=64.0, middle=2)):
        grid = panels.slice_grid(t, 0.5, 12, layout)
        assert np.all(grid.grading[grid.edges[1:] <= 0.5 * t] > 0.0)
        assert np.all(grid.grading[grid.edges[:-1] >= 0.5 * t] < 0.0)
        at, slope = grid.at(x)
        assert np.allclose(at[:, :-1].ravel(), grid.nodes[:-1], rtol=1e-14, atol=1e-14 * t)
        step = 1e-4
        difference = (grid.at(x + step)[0] - grid.at(x - step)[0]) / (2.0 * step)
        assert np.allclose(slope, difference, rtol=1e-7, atol=1e-11 * t)
        rate, factor = panels.inverse_maps(grid.edges, grid.edges_tau, grid.grading)[:, :-1, None]
        tau = grid.edges_tau[:-1, None] - (at - grid.edges[:-1, None])
        left, right = at - grid.edges[:-1, None], tau - grid.edges_tau[1:, None]
        found = np.where(
            rate > 0.0, factor * np.log1p(np.maximum(rate, 0.0) * left) - 1.0,
            1.0 - factor * np.log1p(np.maximum(-rate, 0.0) * right),
        )  # fmt: skip
        assert np.allclose(found, np.broadcast_to(x, found.shape), atol=1e-11)


def test_powers_of_the_distance_need_few_nodes():
    """On panels that widen fourfold order 12 has the digits that dyadic ones have in t'."""

    def worst(grid, function):
        values = function(grid.nodes_tau)
        return np.max(panels.tails(values, grid.order))

    def response(tau):
        return (1.0 + tau) ** -1.5

    grid = panels.slice_grid(1e8, 1.0, 12)
    edges = np.concatenate([[0.0], 0.5e8 * 2.0 ** -np.arange(27.0, -1.0, -1.0)])
    edges_tau = np.concatenate([1e8 - edges, edges[-2::-1]])
    edges = np.concatenate([edges, 1e8 - edges[-2::-1]])
    dyadic = panels.from_edges(edges, edges_tau, np.zeros(len(edges) - 1), 12)
    assert len(grid.nodes) < 0.6 * len(dyadic.nodes)
    assert worst(grid, response) < 0.1 * worst(dyadic, response) < 1e-10


def test_parts_of_a_panel_keep_its_map():
    """A function that is linear in x stays so on the halves of a panel, which meet at x = 0."""
    for layout in (panels.PLAIN, panels.Layout(near=64.0)):
        grid = panels.slice_grid(300.0, 0.5, 8, layout)
        marked = np.arange(len(grid.grading)) % 2 == 0
        finer = panels.bisect(
            panels.bisect(grid, marked), np.ones(len(grid.grading) + marked.sum(), bool)
        )
        near = np.minimum(finer.nodes, finer.nodes_tau)
        values = np.log(near + 0.5)
        assert np.max(panels.tails(values, 8)) < 1e-14
        assert np.all(np.isin(grid.edges, finer.edges))


def test_narrow_panels_keep_their_digits():
    """On panels that are narrow against their distance from the end the map is linear."""
    grid = panels.slice_grid(1e-9, 0.5, 8)
    assert np.all(grid.grading == 0.0)
    history = filled([0.5, 100.0], smooth, order=8)
    fine = panels.slice_grid(120.0, 0.5, 8)
    for _ in range(30):
        fine = panels.bisect(fine, (fine.edges[:-1] <= 40.0) & (fine.edges[1:] > 40.0))
    ramp = np.maximum(fine.nodes - 40.0, 0.0)
    history.append(fine, ramp, ramp, 0.5, 1.0)
    one, t_prime = np.ones(1), 40.0 + np.geomspace(1e-7, 1e-3, 50)
    s = np.full(50, 120.0)
    C, _ = lookups.evaluate(history.past(), 3, s, t_prime, s - t_prime, 3, 1, one)
    assert np.max(np.abs(C - (t_prime - 40.0))) < 1e-13


def test_files_without_gradings_have_linear_panels():
    """Those written before panels had any: nodes are linear in t', and so are lookups."""
    run = dmft.solve(dmft.SpikedMixture({3: 1.0}), 2.0, m0=0.1, tol=1e-3)
    values = {name: found[1] for name, found in run.grid.variables().items()}
    assert np.any(values.pop("edge_grading"))
    old = SliceGrid.restore({"time": run.t, **values}, run.grid.attributes())
    assert not np.any(old.grading)
    i = len(old.slices) - 1
    grid = panels.from_edges(*old.slice_panels(i), old.order)
    half, x = 0.5 * grid.widths[:, None], panels.reference(old.order).nodes
    linear = grid.edges[:-1, None] + half * (1.0 + x[:-1])
    assert np.allclose(grid.nodes[:-1], linear.ravel(), rtol=1e-14)
    C = old.C(np.full(len(grid.nodes) - 1, grid.t), grid.nodes[:-1])
    assert np.allclose(C, old.slice_nodes(i)[0][:-1], atol=1e-13)


def test_short_functions_are_the_long_ones():
    z, y = np.linspace(0.9, 4.2, 1001), np.concatenate([np.geomspace(1e-12, 1.0, 50), [1.3, 1.9]])
    assert max(abs(lookups.short_log(v) - math.log(v)) for v in z) < 1e-15
    assert max(abs(lookups.short_expm1(v) / math.expm1(v) - 1.0) for v in y) < 1e-15


def test_panels_with_a_break_and_bisection():
    grid = panels.slice_grid(1000.0, 0.5, 12, breaks=[(70.0, 1.0)])
    at = np.flatnonzero(grid.edges == 70.0)
    assert len(at) == 1
    assert abs(grid.edges[at[0] + 1] - 70.0) <= 1.0
    finer = panels.bisect(grid, np.arange(len(grid.edges) - 1) == 3)
    assert len(finer.edges) == len(grid.edges) + 1
    assert np.isin(grid.nodes[::12], finer.nodes).all()


def test_monomials_reproduce_values():
    grid = panels.slice_grid(40.0, 0.5, 12)
    values = np.exp(-0.3 * grid.nodes)
    coefficients = panels.monomials(values, 12)
    x = panels.reference(12).nodes
    for q, c in enumerate(coefficients):
        assert np.allclose(np.polynomial.polynomial.polyval(x, c), values[12 * q : 12 * q + 13],
                           atol=1e-14)  # fmt: skip


def points(grid, k, side, rule):
    """Distances from both ends, and weights, of the quadrature of node k."""
    parts, counts = quadrature(
        grid.nodes, grid.nodes_tau, 0.5, grid.edges, grid.edges_tau, np.empty(0), 400,
        rule.wider, *rule.layout,
    )  # fmt: skip
    x, w = panels.unit_gauss(12)
    left_half, count = counts[side, k]
    near, weight = np.empty((2, count, 12))
    for j in range(count):
        lookups.spread(parts[side, k, j], x, w, near[j], weight[j])
    assert np.allclose(near, panels.spread(parts[side, k, :count], x), rtol=1e-14)
    near, weight = near.ravel(), weight.ravel()
    length = grid.nodes_tau[k] if side == 0 else grid.nodes[k]
    from_left = np.arange(count).repeat(12) < left_half
    left = np.where(from_left, near, length - near)
    return left, np.where(from_left, length - near, near), weight, length


@pytest.mark.parametrize("rule", [FULL, MATURE])
@pytest.mark.parametrize(("k", "side"), [(0, 0), (5, 0), (90, 0), (90, 1), (3, 1), (-1, 1)])
def test_quadrature_of_layers_at_both_ends(k, side, rule):
    left, right, weight, length = points(panels.slice_grid(1000.0, 0.5, 12), k, side, rule)
    assert np.isclose(weight.sum(), length, rtol=1e-14)
    got = np.sum(weight * (np.exp(-2.0 * left) + np.exp(-2.0 * right) + (1.0 + left) ** -0.5))
    exact = (1.0 - np.exp(-2.0 * length)) + 2.0 * (np.sqrt(1.0 + length) - 1.0)
    assert np.isclose(got, exact, rtol=1e-13)


def test_nothing_to_integrate_at_the_ends():
    grid = panels.slice_grid(1000.0, 0.5, 12)
    _, counts = quadrature(
        grid.nodes, grid.nodes_tau, 0.5, grid.edges, grid.edges_tau, np.empty(0), 400,
        FULL.wider, *FULL.layout,
    )  # fmt: skip
    assert np.all(counts[0, -1] == 0)
    assert np.all(counts[1, 0] == 0)


def test_quadrature_is_refined_where_the_panels_are():
    grid = panels.slice_grid(1000.0, 0.5, 12, breaks=[(300.0, 0.05)])
    left, _, weight, _ = points(grid, 0, 0, FULL)
    got = np.sum(weight * np.exp(-((left - 300.0) ** 2)))
    assert np.isclose(got, np.sqrt(np.pi), rtol=1e-9)


def test_lagrange_weights_are_exact_for_polynomials():
    nodes = np.array([0.0, 0.3, 0.4, 0.9, 1.3, 1.8, 2.0])
    weights = np.empty(7)
    lookups.lagrange(nodes, 0, 7, 0.7, weights)
    for k in range(7):
        assert np.isclose(weights @ nodes**k, 0.7**k, rtol=1e-12)


def test_tabled_weights_are_lagrange_weights():
    history = filled(np.expm1(np.arange(0.1, 6.0, 0.13)), smooth)
    past, n = history.past(), history.n
    nodes, out, direct = past.x[0], np.empty(lookups.ROOM), np.empty(7)
    for s in np.expm1(np.linspace(0.0, float(nodes[n - 1]) - 1e-9, 301)):
        start, count = lookups.stencil(past, n, s, out)
        lookups.lagrange(nodes, start, count, np.log1p(s / T0), direct)
        assert count == 7
        assert np.allclose(out[:7], direct, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("end", "step", "counts", "degree", "stiff"),
    [
        (10.0, 0.1, (5, 5), 4, False),
        (100.0, 0.004, (5, 5), 3, True),
        (1e6, 0.1, (5, 8), 4, False),
        (1e6, 0.5, (5, 8), 4, False),
    ],
    ids=["plain", "stiff", "calm", "coarse"],
)
def test_weights_of_the_last_interval(end, step, counts, degree, stiff):
    history = History(4, T0, 0.5, 1.0, True)
    u = np.log1p(end) - step * np.arange(12)[::-1] * np.linspace(1.1, 1.0, 12)
    for t in np.expm1(u):
        grid = panels.slice_grid(t, 0.5, 4)
        history.append(grid, grid.nodes, grid.nodes, 0.5, 1.0)
    past, n = history.past(), history.n
    assert tuple(past.last_counts) == counts
    assert bool(np.any(past.last[lookups.LESS])) is stiff
    out = np.empty(lookups.ROOM)
    for y in (0.0, 0.3, 1.0):
        x = (1.0 - y) * past.x[0, n - 1] + y * past.x[0, n]
        count = lookups.last_interval(past, n, 0, x, out)
        nodes = (past.x[0, n + 1 - count :] - x) / step
        weights = out[:count]
        for k in range(degree + 1):
            assert np.isclose(weights @ nodes**k, 0.0**k, atol=1e-9)
        # Values on both slices are kept, whatever is added between them.
        if y in (0.0, 1.0):
            assert np.isclose(weights[count - 2 + int(y)], 1.0, atol=1e-9)


def test_damping_takes_the_high_differences_of_what_alternates():
    history = History(4, T0, 0.5, 1.0, True)
    for t in 1e9 * np.exp(0.1 * np.arange(12)):
        grid = panels.slice_grid(t, 0.5, 4)
        history.append(grid, grid.nodes, grid.nodes, 0.5, 1.0)
    past, n, out = history.past(), history.n, np.empty(lookups.ROOM)
    for row, degree in ((lookups.THIRD, 3), (lookups.FOURTH, 4)):
        exact = np.zeros(lookups.ROOM)
        for q, factor in enumerate(lookups.HIGH):
            for j in range(degree + q + 3):
                exact[-1 - j] += factor * (-1.0) ** j * comb(degree + q + 2, j)
        assert np.allclose(past.last[row], exact, atol=1e-6)
    for y in (0.2, 0.5, 0.9):
        x = (1.0 - y) * past.x[0, n - 1] + y * past.x[0, n]
        count = lookups.last_interval(past, n, 0, x, out)
        alternating = (-1.0) ** np.arange(count)[::-1]
        # What is left is the interpolation of degree 2.
        assert np.isclose(out[:count] @ alternating, 1.0 + 2.0 * (y - 1.0) * (1.0 + y), atol=1e-6)


def test_positions_on_slices_follow_the_curve():
    history = filled(np.expm1(np.arange(0.1, 12.0, 0.3)), smooth)
    past = history.past()
    batch = lookups.batch_of(past, 1, 0, 0)
    for start, s in ((2, 3.0), (20, 900.0), (25, 1e4), (31, 4e4), (31, 1.0)):
        for phi in (0.0, 1e-6, 1e-3, 0.3, 0.5, 0.9, 1.0 - 1e-5):
            for bend in (0.0, 0.4, 1.0):
                tp, tau = s * phi, s * (1.0 - phi)
                batch.late[0], batch.early[0], batch.gap[0], batch.start[0] = s, tp, tau, start
                batch.bend[0], batch.log[0] = bend, np.log(s / past.t[start + lookups.MIDDLE])
                lookups.follow(past, batch, 1)
                t = past.t[start : start + lookups.ROOM]
                near = min(tp, tau)
                g = 1.0 - bend * s * T0 / (near**2 + s * T0)
                near_i = near * (t / s) ** g
                far_i = t - near_i
                both = (far_i, near_i) if tp > tau else (near_i, far_i)
                assert np.allclose(batch.at[0], both, rtol=1e-13, atol=0.0)


def test_interleaved_coefficients():
    for order in (7, 8):
        C, R = np.random.default_rng(0).normal(size=(2, 3 * order + 1))
        values = panels.interleaved(C, R, order)
        for f, x in ((0, -1.0), (1, 0.3), (2, 1.0)):
            for got, nodes in zip(lookups.horner2(values, f, x), (C, R), strict=True):
                exact = np.polynomial.polynomial.polyval(x, panels.monomials(nodes, order)[f])
                assert np.isclose(got, exact, rtol=1e-12)


@pytest.mark.parametrize("step", [0.1, 0.05])
def test_lookups_between_slices_converge(step):
    history = filled(np.expm1(np.arange(step, 9.0, step)), smooth)
    rng = np.random.default_rng(1)
    t = np.exp(rng.uniform(-1.0, 8.7, 400))
    phi = rng.uniform(0.0, 1.0, 400)
    C, R = lookups.evaluate(history.past(), history.n, t, t * phi, t * (1 - phi), 0, 0, np.empty(0))
    bound = 2e-7 if step == 0.1 else 5e-9
    assert np.max(np.abs(C - smooth(t, t * phi))) < bound
    assert np.allclose(R, C, atol=1e-14)


def test_boundary_layers_stand_still_on_the_curves():
    history = filled(np.expm1(np.arange(0.1, 12.0, 0.1)), c_exact)
    t = np.full(50, np.expm1(11.04))
    tau = np.geomspace(1e-3, 3.0, 50)
    C, _ = lookups.evaluate(history.past(), history.n, t, t - tau, tau, 0, 0, np.empty(0))
    assert np.max(np.abs(C - c_exact(t, t - tau))) < 1e-8
    C, _ = lookups.evaluate(history.past(), history.n, t, tau, t - tau, 0, 0, np.empty(0))
    assert np.max(np.abs(C - c_exact(t, tau))) < 1e-8


def test_past_an_escape_early_times_are_kept_fixed():
    def event(t, t_prime):
        return np.tanh(2.0 * (np.minimum(t_prime, 20.0) - 15.0)) + 0.0 * t

    history = History(12, T0, 0.5, 1.0, True)
    history.set_break(20.0, 1.0)
    for t in np.concatenate(
        [np.expm1(np.arange(0.1, 3.0, 0.1)), 20.0 + np.expm1(np.arange(0.1, 6.0, 0.1))]
    ):
        grid = panels.slice_grid(t, 0.5, 12, breaks=[(20.0, 0.25)] if t > 20.0 else [])
        for _ in range(3):
            grid = panels.bisect(
                grid, np.diff(grid.edges) > 0.2 * (1 + np.abs(grid.edges[1:] - 15))
            )
        values = event(t, grid.nodes)
        history.append(grid, values, values, 0.5, 1.0)
    history.activate_break(int(np.searchsorted(history.t, 20.5)))
    t = np.full(200, 200.0)
    t_prime = np.linspace(0.0, 19.9, 200)
    C, _ = lookups.evaluate(history.past(), history.n, t, t_prime, t - t_prime, 0, 0, np.empty(0))
    assert np.max(np.abs(C - event(t, t_prime))) < 1e-6


def test_interpolation_defect_measures_the_error_of_the_last_interval():
    history = filled(np.expm1(np.arange(0.1, 6.0, 0.1)), smooth)
    grid = panels.slice_grid(float(history.t[-1]), 0.5, 12)
    two, m, mu = interpolation_defect(history, grid)
    u = 0.5 * (history.u[-1] + history.u[-2])
    t = np.full_like(grid.nodes, np.expm1(u))
    phi = grid.nodes / grid.t
    _, R = lookups.evaluate(history.past(), history.n, t, t * phi, t * (1 - phi), 0, 0, np.empty(0))
    true = np.max(np.abs(R - smooth(t, t * phi)))
    assert 0.3 * true < two < 30.0 * true
    assert m < 1e-6
    assert mu < 1e-12


def test_an_aging_response_is_interpolated_as_tau_times_itself():
    def response(t, t_prime):
        tau = t - t_prime
        return np.sqrt((1.0 + t_prime) / (1.0 + t)) / (1.0 + tau)

    history = filled(np.expm1(np.arange(0.1, 14.0, 0.1)), response)
    t = np.full(300, np.expm1(13.85))
    near = np.geomspace(1e-3, 0.5, 300) * t
    for t_prime, tau in ((t - near, near), (near, t - near)):
        _, R = lookups.evaluate(history.past(), history.n, t, t_prime, tau, 0, 0, np.empty(0))
        # Interpolated as it is, the last interval would be good to 3e-7 only.
        assert np.max(np.abs(R / response(t, t_prime) - 1.0)) < 3e-8


def test_grid_is_refined_where_the_last_slice_needs_it():
    def bump(t, t_prime):
        return np.exp(-((t_prime - 30.0) ** 2)) + 0.0 * t

    history = History(12, T0, 0.5, 1.0, True)
    for t in np.expm1(np.arange(0.1, 4.6, 0.03)):
        grid = new_grid(history, t, Mesh(0.5, 1e-9))
        history.append(grid, bump(t, grid.nodes), bump(t, grid.nodes), 0.5, 1.0)
    plain = panels.slice_grid(t, 0.5, 12)
    assert len(plain.nodes) < len(grid.nodes) < 4 * len(plain.nodes)
    s = np.full(300, t)
    x = np.linspace(20.0, 40.0, 300)
    C, _ = lookups.evaluate(history.past(), history.n, s, x, s - x, 0, 0, np.empty(0))
    assert np.max(np.abs(C - bump(s, x))) < 1e-7


@pytest.mark.parametrize(
    "options",
    [{"order": 6}, {"order": 12.5}, {"max_step": 0.0}, {"max_step": float("nan")},
     {"safety": -1.0}, {"end_width": 10.0}, {"shrink": 2.0}],
)  # fmt: skip
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SlicesOptions(**options)
