"""Runs and models in the hands of a user: notebooks, figures, tables, copies, other processes."""

import copy
import pickle
import sys
import types
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import dmft
from dmft.run.contract import Record
from dmft.run.loop import Ending
from dmft.solution import Status
from dmft.systems.committee.job import CommitteeJob
from dmft.systems.generative.job import GenerativeJob
from dmft.systems.spiked import plots
from dmft.systems.spiked.plan import Request, planned

DESCENT = {"method": "gradient_descent", "step": 0.1}


def spiked():
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    return dmft.solve(model, 30.0, m0=1e-3, **DESCENT)


def two_layer():
    net = dmft.TwoLayerNetwork(2, 2)
    start = dmft.OrderParameters.random(net, 1000, 0)
    return dmft.solve(net, 1.0, start=start, learning_rate=0.5, progress=False)


def glm():
    model = dmft.GaussianMixture(alpha=2.0, delta=0.5)
    return dmft.solve(model, 1.0, m0=0.05, step=0.1, paths=256, progress=False)


def committee():
    return CommitteeJob(dmft.CommitteeMachine(2), 4.0, "uninformed").begin()


def generative():
    return GenerativeJob(dmft.SpikedGenerative(2.0, 0.5), "informed").begin()


MAKERS = {f.__name__: f for f in (spiked, two_layer, glm, committee, generative)}


@pytest.fixture(scope="module", params=list(MAKERS))
def run(request):
    return MAKERS[request.param]()


def same(a, b):
    assert type(a) is type(b)
    assert repr(a) == repr(b)
    assert dict(a.errors) == pytest.approx(dict(b.errors), rel=0, abs=0, nan_ok=True)
    assert not b.t.flags.writeable
    for name, values in a.series.items():
        np.testing.assert_array_equal(values, b.series[name])
    first, second = a.columns(a.end), b.columns(b.end)
    assert {k: float(v) for k, v in first.items()} == pytest.approx(
        {k: float(v) for k, v in second.items()}, rel=0, abs=0, nan_ok=True
    )


def test_copies_are_the_same_run(run):
    same(run, pickle.loads(pickle.dumps(run)))
    same(run, copy.deepcopy(run))
    assert repr(copy.deepcopy(run.model)) == repr(run.model)


def test_a_notebook_shows_runs_and_models(run):
    page = run._repr_html_()
    assert "data:image/png;base64," in page
    assert f"finished: {run.message}" in page
    assert run.scalars[0] in page
    assert len(page) < 200_000
    model = run.model._repr_html_()
    assert type(run.model).__name__ in model
    assert "<table>" in model


def test_a_notebook_without_matplotlib_shows_the_table(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert "<table>" in run._repr_html_()
    assert "image/png" not in run._repr_html_()


def test_plot_is_what_show_draws(run):
    figure = run.plot()
    assert len(figure.axes) >= 2
    with pytest.raises(ValueError, match="observable = 'nothing' is not allowed"):
        run.plot("nothing")


def test_to_dataframe(run):
    frame = run.to_dataframe()
    assert frame.index.name == "t"
    assert frame.shape[0] == len(run.t)
    np.testing.assert_array_equal(frame[run.scalars[0]], run.series[run.scalars[0]])
    assert run.to_dataframe([run.end]).shape[0] == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_notebook_that_has_drawn_nothing_shows_figures(monkeypatch, known):
    """With stand-ins for IPython, which tests need not have."""
    from matplotlib.figure import Figure

    printer = types.SimpleNamespace(type_printers={Figure: None} if known else {})
    display = types.SimpleNamespace(formatters={"image/png": printer})
    shell, chosen = types.SimpleNamespace(display_formatter=display), []
    modules = {
        "IPython": {"get_ipython": lambda: shell},
        "IPython.core.pylabtools": {"select_figure_formats": lambda *given: chosen.append(given)},
    }
    for name, content in modules.items():
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**content))
    spiked().plot()
    assert chosen == ([] if known else [(shell, {"png"})])


def test_observables_are_drawn_by_the_same_call():
    run = spiked()
    assert run.plot("chi-C", [5.0, 20.0]).axes[0].get_xlabel() == "correlation $C(t,t')$"


def test_escape_is_said_and_m_is_logarithmic_where_it_begins_small():
    run = spiked()
    ((name, sentence),) = run.findings
    time = float(sentence.rpartition(" = ")[2])
    assert (name, sentence[:12]) == ("escape", "|m| = 0.1 at")
    assert abs(run.at(time).m) == pytest.approx(0.1, rel=1e-5)
    assert time == pytest.approx(dmft.observables.escape_time(run, 0.1), rel=1e-5)
    assert plots.overview(run).axes[0].get_yscale() == "log"
    early = dmft.solve(run.model, 1.0, m0=0.3, **DESCENT)
    assert early.findings == []
    assert plots.overview(early).axes[0].get_yscale() == "linear"
    assert dmft.solve(run.model, 1.0, m0=1e-3, **DESCENT).findings == []


def test_small_overlaps_of_descent_are_logarithmic_too():
    run = dmft.solve(
        dmft.LinearRegression(alpha=2.0), 2.0, m0=1e-3, step=0.1, paths=256, progress=False
    )  # fmt: skip
    assert run.plot().axes[0].get_yscale() == "log"


def test_an_estimate_beyond_tol_is_a_sentence_that_helps():
    """Only beyond twice tol: estimates are no better than that, and all are printed."""
    model, request = dmft.SpikedMixture({3: 1.0}), Request(m0=0.1, tol=1e-6)
    plan, series = planned(model, 1.0, request), {"mu": np.array([1.0, 2.0])}
    ending = Ending(Status.FINISHED, "reached t = 1", 0.0)
    for error, said in (
        (1.9e-6, ""),
        (3e-6, " (expect errors up to 3.0e-06 in C, which misses tol = 1e-06: lower tol,"
         " or measure it with verify)"),
    ):  # fmt: skip
        record = Record(np.zeros(2), series, {"C": error, "mu": 2e-6, "R": np.nan})
        assert plan._missed(record, ending) == said


def test_discrete_steps_are_exact():
    assert spiked().accuracy == "rounding: exact for the discrete algorithm"


def final_m(delta_2):
    model = dmft.SpikedMatrixTensor(p=3, delta_2=delta_2, delta_p=4.0)
    return dmft.solve(model, 2.0, m0=0.1, progress=False, **DESCENT)


def test_executors_of_the_standard_library():
    """Runs go to processes and come back; threads of one process do them, too."""
    wanted = [final_m(delta) for delta in (0.4, 0.8)]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for one, two in zip(wanted, pool.map(final_m, (0.4, 0.8)), strict=True):
            same(one, two)
    with ThreadPoolExecutor(2) as pool:
        for one, two in zip(wanted, pool.map(final_m, (0.4, 0.8)), strict=True):
            same(one, two)


def test_a_run_goes_on_as_it_is(tmp_path):
    """Without a file in between, to the same numbers."""
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
    half = dmft.solve(model, 1.0, m0=0.1, tol=1e-3, threads=1, progress=False)
    whole = dmft.resume(half, 2.0, threads=1, progress=False)
    half.save(tmp_path / "half.nc")
    filed = dmft.resume(tmp_path / "half.nc", 2.0, threads=1, progress=False)
    np.testing.assert_array_equal(whole.m, filed.m)
    with pytest.raises(ValueError, match="'this run' has reached its t_end = 1: give a later one"):
        dmft.resume(half)
    net = two_layer()
    assert dmft.resume(net, 2.0, progress=False).t[-1] >= 2.0
