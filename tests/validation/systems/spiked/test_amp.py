"""AMP at finite N against its state evolution."""

import numpy as np
import pytest

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import state_evolution
from validation.comparison import compare_numbers
from validation.extrapolation import extrapolate
from validation.statistics import judge
from validation.systems.spiked.amp import endpoints, run
from validation.systems.spiked.instances import draw
from validation.systems.spiked.stored import Loss

STEPS = 12


def theory(model, kind, m0, steps):
    start = m0 if kind == "ml" else m0 * m0
    return getattr(state_evolution, kind)(model, start, steps)


def paths(model, kind, n, seeds, m0, steps):
    losses = (Loss(draw(model, n, m0, np.random.SeedSequence((n, seed)))) for seed in range(seeds))
    return [run(loss, kind, steps) for loss in losses]


@pytest.mark.parametrize("kind", ["ml", "bayes"])
@pytest.mark.parametrize(
    ("channels", "n", "steps"),
    [
        ({2: 0.4, 3: 1.0}, 200, 12),
        ({3: 0.1}, 200, 8),
        ({2: 0.3}, 800, 15),
        pytest.param({2: 0.2, 4: 1.5}, 80, 4, marks=pytest.mark.slow),
        ({2: 0.2, 4: 1.5}, 60, 4),
        pytest.param({2: 0.3, 3: 1.0, 4: 2.0}, 80, 4, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_iteration_follows_state_evolution(channels, n, steps, kind):
    """The limit of a fit in 1/N to N/2 and N does not refute state evolution.

    A right theory is refuted once in 1000 times.
    """
    model, seeds, m0 = SpikedMixture(channels), 16, 0.6
    half, whole = (
        np.array([path.m for path in paths(model, kind, k, seeds, m0, steps)])[:, 1:]
        for k in (n // 2, n)
    )
    expected = theory(model, kind, m0, steps)
    fit = extrapolate((n // 2, n), (half, whole))
    np.testing.assert_allclose(fit.limit, 2.0 * whole.mean(axis=0) - half.mean(axis=0))
    assert not judge(fit.limit - expected[1:], fit.scatter, fit.freedom).refuted


def test_bayes_is_on_the_nishimori_line_and_ml_on_the_sphere():
    """Bayes: m = q and the error is 1 - m; maximum likelihood: q = 1 and it is 2 (1 - m)."""
    model = SpikedMatrixTensor(3, 0.4, 1.0)
    for path in paths(model, "bayes", 300, 3, 0.5, STEPS):
        assert np.all(np.abs(path.m - path.q) < 0.1)
        assert path.mse == pytest.approx(1.0 - path.m, abs=0.1)
    for path in paths(model, "ml", 100, 3, 0.5, STEPS):
        assert path.q == pytest.approx(1.0, abs=1e-12)
        assert path.mse == pytest.approx(2.0 * (1.0 - path.m), abs=1e-12)


def test_endpoints_are_those_of_the_runs_and_repeat():
    model = SpikedMatrixTensor(3, 0.4, 1.0)
    both = [endpoints(model, n=30, seeds=s, m0=0.3, kind="ml", steps=5) for s in (2, 3)]
    np.testing.assert_array_equal(both[0], both[1][:2])
    loss = Loss(draw(model, 30, 0.3, np.random.SeedSequence(1, spawn_key=(2,))))
    assert both[1][2] == run(loss, "ml", 5).m[-1]
    assert run(loss, "bayes", 0).m == pytest.approx([0.09])


@pytest.mark.slow
@pytest.mark.parametrize("delta_2", [0.3, 0.4, 0.5, 0.55])
def test_endpoints_of_large_instances(delta_2):
    """N = 1000, p = 3, Delta_3 = 1, which takes 2.5 GB of memory.

    A right theory is refuted once in 1000 times.
    """
    model, seeds, m0, steps = SpikedMatrixTensor(3, delta_2, 1.0), 4, 0.5, 25
    runs = {"ml": [], "bayes": []}
    for seed in range(seeds):
        loss = Loss(
            draw(model, 1000, m0, np.random.SeedSequence(round(1e3 * delta_2), spawn_key=(seed,)))
        )
        for kind, found in runs.items():
            found.append(run(loss, kind, steps).m[-1])
    for kind, found in runs.items():
        stable = state_evolution.fixed_points(model, kind).m[-1]
        assert theory(model, kind, m0, steps)[-1] == pytest.approx(stable, abs=2e-3)
        expected = theory(model, kind, m0, steps)[-1]
        result = compare_numbers(["m"], [expected], np.array(found)[:, None])
        assert not result.verdict.refuted
        # The scatter, of order 1/sqrt(N), is so small that the comparison means something.
        assert result.table["standard_error"][0] < 0.03


def test_bad_input_is_refused():
    loss = Loss(draw(SpikedMixture({2: 0.5}), 20, 0.3, 0))
    with pytest.raises(ValueError, match=r"kind = 'map' .*'ml' or 'bayes'"):
        run(loss, "map", 3)
    with pytest.raises(ValueError, match=r"steps = -1 .*>= 0"):
        run(loss, "ml", -1)
    with pytest.raises(ValueError, match=r"seeds = 0 .*>= 1"):
        endpoints(loss.instance.model, n=20, seeds=0, m0=0.3, kind="ml", steps=3)
