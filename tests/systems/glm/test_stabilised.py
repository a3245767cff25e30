"""Stabilised steps: their stages against plain descent, their limit, late times."""

import numpy as np
import pytest

import dmft
from dmft.systems.glm.flow import gradient_flow
from dmft.systems.glm.replica import Batches, DivergenceError, Replica, Sampling, Start
from dmft.systems.glm.stabilised import Steps, _Stages, long_flow, plan
from dmft.systems.glm.weights import Algorithm

MODEL = dmft.PhaseRetrieval(4.0)


def replica(m0, step, total):
    return Replica(
        MODEL.setting(), Start(m0, 1.0), Algorithm(step, 0.0, None), Batches(1.0, None),
        Sampling(256, 128, (0, 0), 0), total,
    )  # fmt: skip


@pytest.mark.parametrize("m0", [0.3, 0.0])
def test_a_stage_of_one_gradient_is_a_step_of_descent(m0):
    # The general combination against the recursion of plain descent, which has its own oracles.
    plain, general = replica(m0, 0.05, 6), _Stages(replica(m0, 0.05, 6), 6)
    plain.observe(0)
    general.replica.observe(0)
    for n in range(6):
        plain.advance()
        plain.observe(n + 1)
        general._average()
        general._combine({n: 1.0}, {n: 0.05}, last=True)
    one, two = plain.weights, general.replica.weights
    # M, the linearised overlap, is followed where m0 = 0.
    for name in ("m", "Cp", "R", "R0", *(("M",) if m0 == 0.0 else ())):
        assert getattr(two, name) == pytest.approx(getattr(one, name), abs=1e-12)


def test_plan_reaches_the_end():
    lengths = plan(4.0, 100.0, Steps())
    assert sum(h for h, _ in lengths) == pytest.approx(100.0, rel=1e-12)
    assert sum(stages for _, stages in lengths) < 400


@pytest.mark.slow
def test_flow_is_the_limit_of_small_steps():
    how = {"paths": 2**13, "response_paths": 2**12, "replicas": 4}
    small = gradient_flow(MODEL, [1.0], 0.05, m0=0.3, progress=False, **how)
    flow = long_flow(MODEL, 1.0, m0=0.3, **how)
    error = small.errors["m"][0] + flow.m[:, -1].std(ddof=1)
    assert abs(flow.m[:, -1].mean() - small.series["m"][0]) < 2.0 * error < 0.01


def test_late_times():
    flow = long_flow(MODEL, 30.0, m0=0.3, paths=512, response_paths=256, replicas=1)
    assert flow.m[0, -1] == pytest.approx(1.0, abs=1e-6)
    assert 0.0 < flow.train_loss[0, -1] < 1e-7
    assert np.isnan(flow.growth).all()


def test_refusals():
    with pytest.raises(ValueError, match="must keep"):
        long_flow(dmft.LinearRegression(2.0), 1.0, m0=0.1)
    with pytest.raises(DivergenceError, match="radius"):
        long_flow(MODEL, 30.0, m0=0.3, steps=Steps(radius=0.05), paths=64, response_paths=64)
