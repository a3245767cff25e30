"""Maps: iterations, fixed points, branches and transitions, on maps solved by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dmft.numerics import branches, maps
from dmft.numerics.maps import MapOptions, MapStatus

DOTTIE = 0.7390851332151607  # x = cos x


def logistic(r: float) -> Any:
    """x -> r x (1-x), with the fixed points 0 and 1 - 1/r and the slopes r and 2 - r there."""
    return lambda x: r * x * (1.0 - x)


def fold(alpha: float) -> Any:
    """x -> x + alpha - (x - 0.3)^2: fixed points 0.3 +- sqrt(alpha), none for alpha < 0."""
    return lambda x: x + alpha - (x - 0.3) ** 2


def rotation(x: Any) -> Any:
    """A contraction of the plane that turns: its fixed point is (I - A)^-1 c."""
    return np.array([[0.3, -0.6], [0.6, 0.3]]) @ x + np.array([1.0, 2.0])


def test_trajectory() -> None:
    path = maps.trajectory(logistic(2.5), [0.1, 0.6], 2)
    assert path.shape == (3, 2)
    assert path[1] == pytest.approx([2.5 * 0.1 * 0.9, 2.5 * 0.6 * 0.4], rel=1e-15)


def test_iteration_reaches_its_tolerance() -> None:
    for tol in (1e-4, 1e-8, 1e-12):
        found = maps.iterate(np.cos, 1.0, MapOptions(tol=tol))
        assert found.success
        assert abs(float(found.x) - DOTTIE) < 2.0 * tol
        assert found.error <= tol


def test_a_small_step_of_a_slow_iteration_is_no_small_error() -> None:
    # x' = 0.999 x + 0.001 moves by less than 1e-6 while still 1e-3 away from 1.
    found = maps.iterate(lambda x: 0.999 * x + 0.001, 0.0, MapOptions(tol=1e-6, max_steps=100_000))
    assert found.success
    assert abs(float(found.x) - 1.0) < 1.1e-6


def test_no_unfinished_number() -> None:
    slow = maps.iterate(fold(0.0), 0.5, MapOptions(max_steps=50))
    assert slow.status is MapStatus.NOT_CONVERGED
    assert math.isnan(float(slow.x))
    assert 0.3 < float(slow.last) < 0.5
    assert "after 50 evaluations" in slow.message
    chaos = maps.fixed_point(logistic(3.9), 0.2, MapOptions(max_steps=200))
    assert not chaos.success


def test_leaving_the_domain() -> None:
    grows = maps.iterate(lambda x: 2.0 * x, 0.1, inside=lambda x: bool(np.all(x < 1.0)))
    assert grows.status is MapStatus.LEFT_DOMAIN
    assert math.isnan(float(grows.x))
    with np.errstate(invalid="ignore"):
        nan = maps.iterate(lambda x: np.sqrt(x - 1.0), 1.5)
    assert nan.status is MapStatus.LEFT_DOMAIN
    outside = maps.polish(lambda x: 0.5 * x - 1.0, 0.05, inside=lambda x: bool(np.all(x > 0.0)))
    assert outside.status is MapStatus.LEFT_DOMAIN


def test_damping_tames_an_oscillation() -> None:
    r = 3.2  # slope -1.2 at the fixed point: without damping a cycle of two
    assert not maps.iterate(logistic(r), 0.5).success
    damped = maps.iterate(logistic(r), 0.5, MapOptions(damping=0.4))
    assert float(damped.x) == pytest.approx(1.0 - 1.0 / r, abs=1e-11)


def test_root_finding_reaches_an_unstable_point() -> None:
    found = maps.polish(logistic(3.9), 0.7, MapOptions(radius=0.2))
    assert float(found.x) == pytest.approx(1.0 - 1.0 / 3.9, abs=1e-14)
    assert found.error < 1e-13


def test_root_finding_stays_close() -> None:
    found = maps.polish(fold(0.01), 0.9, MapOptions(radius=0.05))
    assert found.status is MapStatus.NOT_CONVERGED
    assert "away" in found.message


def test_two_components() -> None:
    exact = np.linalg.solve([[0.7, 0.6], [-0.6, 0.7]], [1.0, 2.0])
    for start in ([0.0, 0.0], [5.0, -3.0]):
        found = maps.fixed_point(rotation, start)
        assert found.success
        assert np.max(np.abs(found.x - exact)) < 1e-12
    slope = maps.jacobian(rotation, exact)
    assert slope == pytest.approx(np.array([[0.3, -0.6], [0.6, 0.3]]), abs=1e-9)


def test_a_matrix_keeps_its_shape() -> None:
    found = maps.fixed_point(lambda x: 0.5 * x + np.eye(2), np.zeros((2, 2)))
    assert found.x.shape == (2, 2)
    assert found.x == pytest.approx(2.0 * np.eye(2), abs=1e-12)


def test_slow_points_are_fast() -> None:
    # The slope at 0.3 + 1e-3 is 1 - 2e-3: an iteration to 1e-11 takes about ten thousand steps.
    found = maps.fixed_point(fold(1e-6), 0.4, MapOptions(max_steps=5000))
    assert float(found.x) == pytest.approx(0.301, abs=1e-11)
    assert found.steps < 3000


def test_multistart_returns_distinct_points() -> None:
    found = maps.fixed_points(lambda x: np.tanh(2.0 * x), [0.9, 0.2, -0.1, 0.0, -3.0])
    assert len(found) == 3
    assert sorted(float(p.x) for p in found) == pytest.approx(
        [-0.9575040240772688, 0.0, 0.9575040240772688], abs=1e-11
    )


def test_continuation_follows_a_branch_to_its_end() -> None:
    alphas = np.linspace(0.04, -0.01, 26)
    branch = branches.continuation(fold, list(alphas), 0.6)
    assert not branch[-1].success
    exact = 0.3 + np.sqrt(alphas[: len(branch) - 1])
    assert np.array([float(p.x) for p in branch[:-1]]) == pytest.approx(exact, abs=1e-10)
    assert alphas[len(branch) - 1] <= 1e-12


def test_continuation_along_an_unstable_branch() -> None:
    branch = branches.continuation(logistic, [2.8, 3.2, 3.6, 4.0], 0.6)
    exact = [1.0 - 1.0 / r for r in (2.8, 3.2, 3.6, 4.0)]
    assert [float(p.x) for p in branch] == pytest.approx(exact, abs=1e-12)


def test_crossing() -> None:
    found = branches.crossing(lambda x: math.exp(x) - 2.0, 0.0, 3.0, noise=1e-12)
    assert abs(found.value - math.log(2.0)) <= found.error
    assert found.error == pytest.approx(0.5e-12, rel=0.1)
    nothing = branches.crossing(lambda x: x * x + 1.0, -1.0, 1.0)
    assert not nothing.success
    assert math.isnan(nothing.value)
    assert "no change of sign" in nothing.message


def test_turning_point() -> None:
    # The branch of fold: alpha(x) = -(x - 0.3)^2 for the negative parameter, maximum 0 at 0.3.
    found = branches.turning_point(lambda x: x * math.exp(-x), 0.1, 3.0)
    assert abs(found.value - math.exp(-1.0)) <= found.error
    assert found.error < 1e-13
    assert found.at == pytest.approx(1.0, abs=1e-6)
    at_the_end = branches.turning_point(lambda x: x, 0.0, 1.0)
    assert not at_the_end.success
    assert "no maximum" in at_the_end.message


@pytest.mark.parametrize(
    ("option", "value"),
    [("tol", 0.0), ("max_steps", 0), ("damping", 1.0), ("damping", -0.1), ("radius", math.nan)],
)
def test_options_out_of_range(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option):
        MapOptions(**{option: value})


def test_negative_steps() -> None:
    with pytest.raises(ValueError, match="steps"):
        maps.trajectory(np.cos, 0.0, -1)
