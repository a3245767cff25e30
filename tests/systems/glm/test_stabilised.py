"""Method "flow": its stages against plain descent, its order against an exact solution, runs."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dmft
from dmft.cli import main
from dmft.solution import FailedRunWarning
from dmft.systems.glm.flow import gradient_flow
from dmft.systems.glm.replica import Batches, Replica, Sampling, Start
from dmft.systems.glm.stabilised import Stages, radius, stages_for
from dmft.systems.glm.theory.mixture import erm
from dmft.systems.glm.weights import Algorithm

MODEL = dmft.PhaseRetrieval(4.0)
SMALL = {"method": "flow", "paths": 256, "response_paths": 64, "replicas": 2, "progress": False}


def replica(model, m0, total, paths=256, q0=1.0):
    setting = model.setting()
    return Replica(
        setting, Start(m0, q0), Algorithm(0.05, 0.0, setting.ridge), Batches(1.0, None),
        Sampling(paths, paths // 2, (0, 0), 0), total,
    )  # fmt: skip


MODELS = [(MODEL, 0.3), (MODEL, 0.0), (dmft.GaussianMixture(2.0, 0.5, rho=0.3, bias=0.2), 0.1)]


@pytest.mark.parametrize(("model", "m0"), MODELS)
def test_a_stage_of_one_gradient_is_a_step_of_descent(model, m0):
    # The general combination against the recursion of plain descent, which has its own oracles.
    plain, general = replica(model, m0, 6), Stages(replica(model, m0, 6), 6)
    plain.observe(0)
    ridge = model.setting().ridge or 0.0
    for n in range(6):
        plain.advance()
        plain.observe(n + 1)
        general.combine({n: 1.0 - 0.05 * ridge}, {n: 0.05}, last=True)
        general.average()
    one, two = plain.weights, general.replica.weights
    # M, the linearised overlap, is followed where m0 = 0.
    names = ("m", "Cp", "R", "R0", *(("M",) if general.replica.forced else ()))
    for name in names:
        assert getattr(two, name) == pytest.approx(getattr(one, name), abs=1e-12)
    assert general.shifts[:, 0] == pytest.approx(two.R0, abs=1e-14)


def spherical_regression(alpha, m0, times, points=400):
    """Return m, R(t,0) and the loss of the flow on the sphere, by Marchenko and Pastur's modes."""
    theta = np.pi * (np.arange(points) + 0.5) / points
    lam = 1.0 + alpha + 2.0 * np.sqrt(alpha) * np.cos(theta)
    weight = 2.0 * alpha / points * np.sin(theta) ** 2 / lam
    rest = 1.0 - m0 * m0

    def slope(t, y):
        a, c = np.split(y, 2)
        mu = -weight @ (lam * ((a - 1.0) * a + rest * c * c))
        return np.concatenate([-lam * (a - 1.0) - mu * a, -(lam + mu) * c])

    start = np.concatenate([np.full(points, m0), np.ones(points)])
    solved = solve_ivp(
        slope, (0.0, times[-1]), start, method="DOP853", rtol=1e-11, atol=1e-13, t_eval=times
    )
    a, c = np.split(solved.y, 2)
    return weight @ a, weight @ c, 0.5 * (weight * lam) @ ((a - 1.0) ** 2 + rest * c * c)


def test_second_order_against_an_exact_solution():
    model = dmft.GeneralizedLinear(
        2.0, lambda y, h: h - y, lambda y, h: 1.0, lambda y, h: 0.5 * (h - y) ** 2
    )
    wrong = []
    for growth in (0.2, 0.1, 0.05):
        s = dmft.solve(
            model, t_end=10.0, m0=0.2, growth=growth, step=0.25 * growth, verify=growth == 0.1,
            **(SMALL | {"replicas": 1, "paths": 2**11}),
        )  # fmt: skip
        exact = spherical_regression(2.0, 0.2, s.t)
        found = (s.m, s.R(s.t, 0.0), s.train_loss)
        wrong.append([np.abs(x - y).max() for x, y in zip(found, exact, strict=True)])
        if growth == 0.1:
            # Between the ends of steps, too.
            t = np.linspace(0.0, 10.0, 57)
            exact = spherical_regression(2.0, 0.2, t)
            assert np.abs(s.at(t).m - exact[0]).max() < 3e-4
    order = np.log2(wrong[0]) - np.log2(wrong[1]), np.log2(wrong[1]) - np.log2(wrong[2])
    assert np.array(order) == pytest.approx(2.0, abs=0.3)
    assert order[1][0] == pytest.approx(2.0, abs=0.15)
    assert wrong[1][0] < 3e-4


def bounded(alpha):
    """Return a model whose curvature y^2/(1 + y^2) is bounded and depends on the teacher."""
    return dmft.GeneralizedLinear(
        alpha, lambda y, h: h * y * y / (1.0 + y * y), lambda y, h: y * y / (1.0 + y * y),
        label="magnitude",
    )  # fmt: skip


@pytest.mark.parametrize("model", [bounded(3.0), dmft.LinearRegression(3.0), bounded(20.0)])
def test_largest_eigenvalue_at_finite_n(model):
    # At N = 500 the edge is blurred by N^(-2/3), and an eigenvalue outside by N^(-1/2).
    rng, n = np.random.default_rng(0), 500
    one = replica(model, 0.3, 1, paths=2**11)
    one.observe(0)
    X = rng.normal(size=(int(model.alpha * n), n))
    r = X @ np.ones(n) / np.sqrt(n)
    d = model.loss_functions.curvature(np.abs(r), r)
    true = np.linalg.eigvalsh((X.T * d) @ X / n)[-1]
    assert radius(one) == pytest.approx(true, rel=0.04)


def test_largest_eigenvalue_of_a_mixture():
    rng, n = np.random.default_rng(0), 500
    for delta in (0.5, 3.0):
        model = dmft.GaussianMixture(3.0, delta, "square")
        one = replica(model, 0.3, 1)
        one.observe(0)
        count = int(model.alpha * n)
        y = rng.choice([-1.0, 1.0], count)
        X = y[:, None] / np.sqrt(n) + np.sqrt(delta) * rng.normal(size=(count, n))
        true = np.linalg.eigvalsh(X.T @ X / n)[-1]
        assert radius(one) == pytest.approx(true, rel=0.06)


def test_stages():
    assert stages_for(1e-6, 40.0) == 2
    assert stages_for(100.0, 40.0) == pytest.approx(np.sqrt(1.5 * 100.0 * 40.0), abs=2)


@pytest.mark.slow
def test_flow_is_the_limit_of_small_steps():
    how = {"paths": 2**13, "replicas": 4, "progress": False}
    small = gradient_flow(MODEL, [1.0], 0.05, m0=0.3, **how)
    flow = dmft.solve(MODEL, 1.0, m0=0.3, method="flow", growth=0.1, step=0.025, **how)
    error = small.errors["m"][0] + flow.errors["m"]
    assert abs(flow.at(1.0).m - small.series["m"][0]) < error < 0.012


@pytest.mark.slow
def test_late_times():
    s = dmft.solve(MODEL, 30.0, m0=0.3, verify=False, **(SMALL | {"paths": 512}))
    assert s.m[-1] == pytest.approx(1.0, abs=1e-6)
    assert 0.0 < s.train_loss[-1] < 1e-7


def test_a_mixture_ends_at_its_minimum():
    model = dmft.GaussianMixture(2.0, 0.5, "square", ridge=0.3)
    s = dmft.solve(model, 60.0, m0=0.0, verify=False, **SMALL)
    best = erm(model)
    assert s.m[-1] == pytest.approx(best.m, abs=1e-5)
    assert s.q[-1] == pytest.approx(best.q, abs=1e-5)


def test_saving_going_on_and_stopping(tmp_path):
    path = tmp_path / "run.nc"
    whole = dmft.solve(MODEL, 2.0, m0=0.3, **SMALL)
    dmft.solve(MODEL, 0.8, m0=0.3, checkpoint=tmp_path / "part.nc", checkpoint_every=1e-9,
               **SMALL).save(path)  # fmt: skip
    again = dmft.load(path)
    assert again.method == "flow"
    assert again.C(0.7, 0.3) == pytest.approx(float(whole.C(0.7, 0.3)), abs=2e-3)
    longer = dmft.resume(path, t_end=2.0, progress=False)
    assert np.array_equal(longer.m, whole.m)
    assert np.array_equal(longer.grid.R_packed, whole.grid.R_packed)
    assert longer.errors == whole.errors
    part = dmft.load(tmp_path / "part.nc")
    assert np.array_equal(part.m, whole.m[: len(part.m)])
    stopped = dmft.solve(MODEL, 9.0, m0=0.3, stop=dmft.OverlapReached(0.5), **SMALL)
    assert stopped.status is dmft.Status.STOPPED
    assert stopped.m[-1] >= 0.5 > stopped.m[-2]


def test_verified_errors_hold_the_steps():
    s = dmft.solve(MODEL, 1.0, m0=0.3, **SMALL)
    plain = dmft.solve(MODEL, 1.0, m0=0.3, verify=False, **SMALL)
    assert all(s.errors[name] > plain.errors[name] for name in ("m", "train_loss", "C", "R"))


def test_what_ends_a_run_is_said():
    with pytest.warns(FailedRunWarning, match="GB can be used"):
        s = dmft.solve(MODEL, 1e4, m0=0.3, memory=0.012, **SMALL)
    assert s.status is dmft.Status.FAILED
    assert "GB can be used" in s.message
    assert f"t = {s.t[-1]:.4g}" in s.message
    assert np.isfinite(s.m).all()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"T": 0.1}, "T is not for method 'flow'"),
        ({"batch": 0.5}, "batch is not for"),
        ({"growth": 3.0}, "growth"),
        ({"margin": 0.5}, "margin"),
        ({"method": "flux"}, "flow"),
        ({"method": "steps", "step": 0.1, "growth": 0.1}, "growth is not for method 'steps'"),
        ({"method": "steps", "step": 0.1, "verify": True}, "verify"),
        ({"memory": 1e-4}, "paths"),
    ],
)
def test_refusals(how, words):
    with pytest.raises(ValueError, match=words):
        dmft.solve(MODEL, 1.0, m0=0.3, **(SMALL | how))
    with pytest.raises(ValueError, match="bias = True"):
        dmft.solve(dmft.GaussianMixture(2.0, 0.5, bias=True), 1.0, m0=0.3, **SMALL)


def test_command(tmp_path, capsys):
    run = tmp_path / "run.nc"
    words = "phase-retrieval solve --alpha 4 --m0 0.3 --t-end 1 --method flow --growth 0.3"
    few = "--paths 64 --replicas 2 --output"
    assert main([*words.split(), *few.split(), str(run)]) == 0
    assert dmft.load(run).method == "flow"
    capsys.readouterr()
    assert main([*words.replace("--method flow", "--step 0.1").split(), *few.split(),
                 str(tmp_path / "no.nc")]) == 2  # fmt: skip
    assert "growth is not for method 'steps'" in capsys.readouterr().err
