"""Recipes of sweeps."""

import time

import numpy as np
import pytest

from dmft import SpikedMatrixTensor, SpikedMixture
from dmft.sweep.recipe import read
from dmft.systems.spiked.protocol import Annealing, Thermal

HEAD = "[model]\np = 3\ndelta_p = 1.0\n[run]\nm0 = 0.1\nt_end = 10\n"


def recipe(folder, text):
    path = folder / "sweep.toml"
    path.write_text(text)
    return read(path)


def test_every_combination_is_a_run(tmp_path):
    found = recipe(
        tmp_path,
        "[model]\np = 3\n[run]\nm0 = 0.1\nt_end = 10\n[axes]\n"
        "inv_delta_2 = { linspace = [1.0, 2.0, 3] }\ndelta_p = { logspace = [1, 4, 3] }\n"
        "temperature = [0, 1]\n",
    )
    assert len(found) == 18
    jobs = found.jobs()
    assert len({job.name for job in jobs}) == 18
    assert isinstance(jobs[0].model, SpikedMatrixTensor)
    np.testing.assert_allclose([1 / job.model.delta_2 for job in jobs[::6]], [1.0, 1.5, 2.0])
    np.testing.assert_allclose([job.model.delta_p for job in jobs[:6:2]], [1.0, 2.0, 4.0])
    assert [job.protocol.T for job in jobs[:2]] == [0.0, 1.0]


def test_names_depend_on_parameters_alone(tmp_path):
    """However it is written, the same run has the same name; this one for ever."""
    texts = [
        HEAD + "[axes]\ndelta_2 = [0.5]\n",
        "[model]\nchannels = { 2 = 0.5, 3 = 1 }\n[run]\nm0=1e-1\nt_end=1e1\ntemperature=0.0\n",
        '[model]\nchannels = "2=0.5,3=1.0"\n[run]\nt_end=10\nlearning_rate="1"\n[axes]\nm0=[0.1]\n',
        "[run]\nm0 = 0.1\nt_end = 10\n[axes]\npoints = [{ delta_2 = 0.5, delta_3 = 1 }]\n",
        "[run]\nm0 = 0.1\nt_end = 10\n[axes]\npoints = [{ inv_delta_2 = 2, inv_delta_3 = 1 }]\n",
    ]
    assert {recipe(tmp_path, text).jobs()[0].name for text in texts} == {"25466d6d8702"}
    other = recipe(tmp_path, texts[0].replace("t_end = 10", "t_end = 11")).jobs()[0]
    assert other.name != "25466d6d8702"


def test_a_table_is_an_axis(tmp_path):
    (tmp_path / "points.csv").write_text("delta_2, delta_4, temperature\n0.5, 2, 0\n0.7, 3, 1\n")
    found = recipe(tmp_path, '[run]\nm0 = 0\nt_end = 1\n[axes]\npoints = "points.csv"\ntol=[1e-4]')
    assert [job.model.channels for job in found] == [{2: 0.5, 4: 2.0}, {2: 0.7, 4: 3.0}]
    assert [job.protocol.T for job in found] == [0.0, 1.0]


def test_what_solve_takes_a_recipe_takes(tmp_path):
    text = (
        "[model]\nchannels = { 2 = 0.9, 3 = 1.5, 4 = 2.0 }\n[run]\nt_end = 5\nm0 = 0.2\n"
        "anneal = [3, 2]\nmethod = 'gradient_descent'\nstep = 0.1\nmomentum = 0.5\n"
        "stage = ['2:temperature=0', '3:learning-rate=0.5']\ntemperature = '1,2,0.5'\n"
    )
    (job,) = recipe(tmp_path, text).jobs()
    assert job.model == SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})
    assert job.protocol.loss_delta == Annealing(3.0, 2.0)
    assert len(job.protocol.stages) == 2
    assert job.momentum == 0.5
    text = "[model]\nchannels = { 3 = 1.0 }\n[run]\nt_end = 5\nstart = 'thermal:1.5'\n"
    (job,) = recipe(tmp_path, text).jobs()
    assert job.protocol.start == Thermal(1.5)


def test_a_channel_of_the_model_may_be_an_axis(tmp_path):
    text = "[model]\nchannels = { 2 = 0.9, 3 = 1.5 }\n[run]\nm0=0\nt_end=1\n[axes]\ndelta_3=[1,2]\n"
    assert [job.model.channels[3] for job in recipe(tmp_path, text)] == [1.0, 2.0]


def test_channels_as_a_text_take_an_axis_too(tmp_path):
    text = "[model]\nchannels = '2=0.9, 3=1.5'\n[run]\nm0=0\nt_end=1\n[axes]\ndelta_3=[1,2]\n"
    assert [job.model.channels[3] for job in recipe(tmp_path, text)] == [1.0, 2.0]


def test_more_runs_than_an_index_holds(tmp_path):
    axes = "".join(f"{k} = {{ linspace = [1,2,100000000] }}\n" for k in ("delta_2", "m0", "tol"))
    assert recipe(tmp_path, HEAD.replace("m0 = 0.1\n", "") + "[axes]\n" + axes).number == 10**24


def test_ten_million_runs_are_counted_not_made(tmp_path):
    axes = "[axes]\ndelta_2 = { linspace = [1,2,10000]}\ntol = { logspace = [1e-6,1e-3,1000]}\n"
    assert len(recipe(tmp_path, HEAD + axes)) == 10**7
    began = time.process_time()
    one = recipe(tmp_path, HEAD + "[axes]\ndelta_2 = { linspace = [1, 2, 100000000] }\n")
    assert len(one) == 10**8
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense", "is no TOML file"),
        ("[modle]\np = 3", "unknown table 'modle': did you mean 'model'?"),
        ("model = 3", "model is not allowed: it must be a table"),
        ("[model]\nq = 3", "unknown key 'q' in [model]: it must be one of p,"),
        ("[run]\nt_ende = 3", "unknown key 't_ende' in [run]: did you mean 't_end'?"),
        ("[axes]\ntemprature = [1]", "did you mean 'temperature'?"),
        ("[axes]\ndelta_2 = []", "delta_2 = [] is not allowed: an axis must have at least one"),
        ("[axes]\ndelta_2 = 3", "delta_2 = 3 is not allowed in [axes]: it must be a list"),
        ("[axes]\ndelta_2 = { linspace = [1, 2] }", "it must be [first, last, number]"),
        ("[axes]\ndelta_2 = { linspace = [1, 2, 2.5] }", "number must be an integer >= 1"),
        ("[axes]\ndelta_2 = { linspace = [1, inf, 3] }", "both ends must be finite"),
        ("[axes]\ndelta_2 = { logspace = [0, 1, 3] }", "both ends must be > 0"),
        ("[axes]\ndelta_2 = { linspace = [0, 1, 1000000000] }", "number must be <= 1e8"),
        ("[axes]\npoints = 'missing.csv'", "there is no such file"),
        ("[axes]\npoints = 3", "it must be a file or"),
        ("[model]\nchannels={2=1,3=1}\ndelta_2=1\ninv_delta_2=4\n[run]\nm0=0\nt_end=1", "twice"),
        ("[axes]\npoints = []", "must have at least one row"),
        ("[axes]\npoints = [{m0 = 1}, {T = 1}]", "its rows have different keys"),
        (HEAD + "delta_2 = 1", "unknown key 'delta_2' in [run]"),
        (HEAD + "[axes]\nt_end = [1]\n", "t_end is given twice"),
        ("[model]\np=3\n[run]\nm0=0\nt_end=1", "needs delta_2 and delta_p"),
        ("[model]\ndelta_p=3\n[run]\nm0=0\nt_end=1", "delta_p needs p"),
        ("[model]\np=2.5\n[run]\nm0=0\nt_end=1", "p = 2.5 is not allowed"),
        ("[model]\np=inf\ndelta_2=1\ndelta_p=1\n[run]\nm0=0\nt_end=1", "p = inf is not allowed"),
        ("[model]\nchannels=3\n[run]\nm0=0\nt_end=1", "channels = 3 is not allowed"),
        ("[model]\nchannels={a=1}\n[run]\nm0=0\nt_end=1", "'a' is no order"),
        ("[model]\np=3\ndelta_p=1\ndelta_3=2\n[run]\nm0=0\nt_end=1", "is given twice"),
        ("[model]\np=3\ndelta_2=1\ndelta_p=1\ndelta_4=2\n[run]\nm0=0\nt_end=1", "delta_4 is not"),
        ("[run]\nm0 = 0\nt_end = 1", "the model is missing"),
        ("[model]\nchannels={3=1}\n[run]\nm0 = 0", "t_end is missing"),
        ("[model]\nchannels={3=1}\n[run]\nt_end = 1", "give m0"),
        ("[model]\nchannels={3=1}\n[run]\nm0 = true\nt_end = 1", "m0 = True is not allowed"),
        ("[model]\nchannels={3=1}\n[run]\nm0 = 'a'\nt_end = 1", "m0 = 'a' is not allowed"),
        ("[model]\nchannels={3=1}\n[run]\nm0 = 0\nt_end = '10'", "t_end = '10' is not allowed"),
        ("[run]\nm0 = 1e-400", "'1e-400' is not allowed: it must be 0 or at least 5e-324"),
        (f"[model]\np = {10**400}\n[run]\nm0 = 0\nt_end = 1", "must be an integer in [3, 100]"),
        (f"[model]\nchannels={{3=1}}\n[run]\nm0 = 0\nt_end = {10**400}", "int too large"),
        (f"[axes]\ndelta_2 = {{ linspace = [1, {10**400}, 3] }}", "int too large"),
        ("[model]\nchannels={3=1}\n[run]\nm0 = 0\nt_end = 1\nverify = 1", "verify = 1 is not"),
        (HEAD + "[axes]\ndelta_2 = [0.5, -1]", "delta_2 = -1.0 is not allowed"),
        (HEAD + "[axes]\ninv_delta_2 = [0]", "inv_delta_2 = 0 is not allowed: it must be > 0"),
        (HEAD + "method = 'fast'\n[axes]\ndelta_2 = [1]", "method = 'fast' is not allowed"),
        (HEAD + "method = ['dense']\n[axes]\ndelta_2 = [1]", "method = ['dense'] is not allowed"),
        (HEAD + "preset = { a = 1 }\n[axes]\ndelta_2 = [1]", "it must be a text"),
        (HEAD + "stage = 3\n[axes]\ndelta_2 = [1]", "stage = 3 is not allowed: it must be a text"),
        (HEAD + "[axes]\ndelta_2 = [1]\nstage = [[1]]", "stage = 1 is not allowed"),
        (HEAD + "temperature = []\n[axes]\ndelta_2 = [1]", "temperature = [] is not allowed"),
        (HEAD + "momentum = 0.5\n[axes]\ndelta_2 = [1]", "momentum = 0.5 is not allowed with"),
        (HEAD + "stop_overlap = 2\n[axes]\ndelta_2 = [1]", "overlap = 2.0 is not allowed"),
    ],
)
def test_bad_recipes(tmp_path, text, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        list(recipe(tmp_path, text))
    assert sentence in str(caught.value)


def test_bad_points(tmp_path):
    (tmp_path / "points.csv").write_text("delta_2,delta_3\n0.5\n")
    with pytest.raises(ValueError, match="row 1 has another number of columns"):
        recipe(tmp_path, "[axes]\npoints = 'points.csv'")
    (tmp_path / "points.csv").write_text("m0,delta_3,m0\n0.1,1,0.2\n")
    with pytest.raises(ValueError, match="the column m0 is there twice"):
        recipe(tmp_path, "[axes]\npoints = 'points.csv'")
    with pytest.raises(ValueError, match="there is no such file"):
        read(tmp_path / "missing.toml")
