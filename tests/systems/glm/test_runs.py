"""Runs: saving, going on, stopping, failing, refusing."""

import numpy as np
import pytest

import dmft
from dmft.systems.glm.model import GeneralizedLinear

SMALL = {"paths": 256, "response_paths": 128, "replicas": 2, "progress": False}


def run(model=None, t_end=1.0, **how):
    model = model or dmft.PhaseRetrieval(4.0)
    return dmft.solve(model, t_end=t_end, **({"m0": 0.3, "step": 0.05} | SMALL | how))


def test_saved_runs_come_back_bit_for_bit(tmp_path):
    s = run(dmft.GaussianMixture(2.0, 0.5, rho=0.3, bias=True), q0=0.5, m0=0.0, batch=0.5)
    s.save(tmp_path / "run.nc")
    again = dmft.load(tmp_path / "run.nc")
    assert repr(again) == repr(s)
    assert again.model == s.model
    for name, values in s.series.items():
        assert np.array_equal(values, again.series[name])
        assert np.array_equal(s.replicas[name], again.replicas[name])
    assert again.C(0.52, 0.3) == s.C(0.52, 0.3)
    assert again.R(1.0, 0.25) == s.R(1.0, 0.25)
    assert again.bias[-1] == s.bias[-1] != 0.0


@pytest.mark.parametrize("how", [{}, {"batch": 0.5, "persistence": 0.4}, {"T": 0.3}])
def test_a_run_goes_on_to_the_same_numbers(tmp_path, how):
    whole = run(t_end=1.5, **how)
    run(t_end=0.7, **how).save(tmp_path / "run.nc")
    longer = dmft.resume(tmp_path / "run.nc", t_end=1.5, progress=False)
    assert np.array_equal(longer.m, whole.m)
    assert np.array_equal(longer.grid.C_packed, whole.grid.C_packed)


def test_stopped_runs_and_checkpoints(tmp_path):
    s = run(stop=dmft.OverlapReached(0.4), t_end=3.0, checkpoint=tmp_path / "part.nc",
            checkpoint_every=1e-9)  # fmt: skip
    assert s.status is dmft.Status.STOPPED
    assert s.m[-1] >= 0.4 > s.m[-2]
    part = dmft.load(tmp_path / "part.nc")
    assert np.array_equal(part.m, s.m[: len(part.m)])


def test_values_at_and_between_the_steps():
    s = run()
    assert s.C(s.t, s.t) == pytest.approx(1.0, abs=1e-12)
    assert s.R(s.t, s.t) == pytest.approx(1.0, abs=1e-12)
    assert s.at(s.t).m == pytest.approx(s.m, abs=1e-14)
    # The response to the start and the start itself: C(t,0) = m m0 + (1 - m0^2) R(t,0).
    assert s.C(s.t, 0.0) == pytest.approx(s.m * 0.3 + 0.91 * s.R(s.t, 0.0), abs=1e-12)
    assert abs(s.C(0.525, 0.2) - 0.5 * (s.C(0.5, 0.2) + s.C(0.55, 0.2))) < 2e-3
    with pytest.raises(ValueError, match="later than"):
        s.C(0.1, 0.2)
    table = s.to_xarray()
    assert table.C.values[3, 1] == pytest.approx(float(s.C(0.15, 0.05)), abs=1e-14)


def test_an_unstable_step_fails_with_the_time():
    with pytest.warns(dmft.FailedRunWarning, match="the run failed at t = .*stability limit"):
        s = run(dmft.LinearRegression(2.0), step=0.5, t_end=50.0, m0=0.0)
    assert s.status is dmft.Status.FAILED
    assert "stability limit" in s.message
    assert f"t = {s.t[-1]:g}" in s.message
    assert all(np.isfinite(values).all() for values in s.series.values())
    with pytest.warns(dmft.FailedRunWarning):
        quartic = run(dmft.PhaseRetrieval(4.0, a=None), step=1.0, t_end=20.0)
    assert quartic.status is dmft.Status.FAILED
    assert np.isfinite(quartic.m).all()


def test_a_replica_that_diverges_alone_is_told_from_a_step_too_long():
    """One path with a large field in one of eight replicas."""
    with pytest.warns(dmft.FailedRunWarning, match="in 1 of 8 replicas"):
        s = dmft.solve(
            dmft.PhaseRetrieval(5, 0.5), 0.12, step=0.03, m0=0.2, paths=2**15, replicas=8, seed=0,
            progress=False,
        )  # fmt: skip
    assert "another seed" in s.message
    assert "stability limit" not in s.message


def test_a_users_loss_gives_the_numbers_of_the_same_built_in_loss(tmp_path):
    model = GeneralizedLinear(
        4.0,
        lambda y, h: h * (h * h - y * y) / (1.0 + y * y),
        lambda y, h: (3.0 * h * h - y * y) / (1.0 + y * y),
        label="magnitude",
    )
    s, built_in = run(model), run()
    assert np.abs(s.m - built_in.m).max() < 1e-10
    assert np.isnan(s.train_loss).all()
    s.save(tmp_path / "run.nc")
    assert "GeneralizedLinear" in repr(dmft.load(tmp_path / "run.nc").model)
    with pytest.raises(ValueError, match="model="):
        dmft.resume(tmp_path / "run.nc", t_end=1.2)
    longer = dmft.resume(tmp_path / "run.nc", t_end=1.2, model=model, progress=False)
    assert np.array_equal(longer.m[: len(s.m)], s.m)


def test_a_loss_that_gives_nan_later_is_named():
    # Fine at the points tried first, and NaN where h > 2.
    model = GeneralizedLinear(
        2.0, lambda y, h: h - y if h < 2.0 else np.nan, lambda y, h: 1.0, ridge=0.0
    )
    with pytest.raises(ValueError, match=r"derivative at y = .*, h = "):
        run(model)


def test_growth_is_known_without_overlap_only():
    s = run(m0=0.0)
    assert (s.m == 0.0).all()
    assert s.growth[0] == 0.0 < s.growth[-1]
    with pytest.raises(ValueError, match="growth"):
        _ = run().growth


def test_growth_is_the_slope_of_the_overlap():
    # The overlap of a run from a small m0 is m0 M(t) up to m0^2; sampling adds 1e-3 to m.
    many = {"paths": 2**13, "response_paths": 2**12, "t_end": 0.5}
    small, none = run(m0=0.05, **many), run(m0=0.0, **many)
    assert np.abs(np.log(small.m / 0.05) - none.growth).max() < 0.05


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"m0": None}, "m0 is missing"),
        ({"m0": 1.5}, "m0"),
        ({"q0": 0.5}, "q0"),
        ({"step": None}, "step is missing"),
        ({"step": -0.1}, "step"),
        ({"T": -1.0}, "T"),
        ({"batch": 0.0}, "batch"),
        ({"batch": 1.5}, "batch"),
        ({"persistence": 1.0}, "persistence"),
        ({"paths": 4}, "paths"),
        ({"response_paths": 512}, "response_paths"),
        ({"replicas": 0}, "replicas"),
        ({"seed": -1}, "seed"),
        ({"memory": 1e-6}, "step"),
        ({"memory": 1e-3}, "paths"),
    ],
)
def test_bad_input_is_named(how, words):
    with pytest.raises(ValueError, match=words):
        run(**how)


def test_hinge_has_no_dynamics():
    with pytest.raises(ValueError, match="hinge"):
        run(dmft.GaussianMixture(2.0, 0.5, loss="hinge"))


def test_classes_and_bias_agree_where_they_are_the_same():
    # rho = 1/2 with a bias of 0 as a number uses one class, with 1e-300 it samples both.
    one = run(dmft.GaussianMixture(2.0, 0.5), m0=0.1, paths=2**12, response_paths=2**11)
    both = run(
        dmft.GaussianMixture(2.0, 0.5, bias=1e-300), m0=0.1, paths=2**12, response_paths=2**11
    )
    assert np.abs(one.m - both.m).max() < 1e-3
    assert np.abs(one.q - both.q).max() < 1e-3
