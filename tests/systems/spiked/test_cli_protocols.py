"""Protocols from the shell."""

from __future__ import annotations

import pytest

import dmft
from dmft.cli import main
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol, Thermal

SEED = "--p 3 --delta-2 0.7 --delta-p 1 --t-end 2 --tol 1e-3 --output r.nc"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        (["--m0", "0.1", "--temperature", "1,2,0.5"], Protocol(Overlap(0.1), PowerLaw(1, 2, 0.5))),
        (
            ["--m0", "0.1", "--anneal", "3,2", "--learning-rate", "0.5"],
            Protocol(Overlap(0.1), learning_rate=0.5, loss_delta=Annealing(3, 2)),
        ),
        (
            ["--start", "thermal:2", "--temperature", "2", "--loss-delta", "2=0.5,3=1.5"],
            Protocol(Thermal(2.0), 2.0, loss_delta={2: 0.5, 3: 1.5}),
        ),
        (
            ["--m0", "0.1", "--stage", "0.5:temperature=1;loss-delta=2=2", "--stage",
             "1:learning-rate=2"],
            Protocol(
                Overlap(0.1),
                stages=[(0.5, {"T": 1.0, "loss_delta": {2: 2.0}}), (1.0, {"learning_rate": 2.0})],
            ),
        ),
    ],
)  # fmt: skip
def test_options_make_the_protocol(options, protocol):
    assert main(["solve", *SEED.split(), *options]) == 0
    assert str(dmft.load("r.nc").protocol) == str(protocol)


def test_a_stage_that_begins_at_an_overlap():
    assert main(["solve", *SEED.split(), "--m0", "0.1", "--stage", "m=0.15:learning-rate=0.5"]) == 0
    (stage,) = dmft.load("r.nc").protocol.stages
    assert (stage.overlap, stage.learning_rate) == (0.15, 0.5)
    assert 0.0 < stage.start < 2.0


def test_heavy_ball(capsys):
    options = [*SEED.replace("--tol 1e-3", "--step 0.1").split(), "--m0", "0.1"]
    assert main(["solve", *options, "--method", "gradient_descent", "--momentum", "0.5"]) == 0
    assert dmft.load("r.nc").provenance["options"]["momentum"] == 0.5
    for wrong in (["--momentum", "0.5"], ["--momentum", "1", "--method", "gradient_descent"]):
        assert main(["solve", *options, "--force", *wrong]) == 2
        assert "momentum" in capsys.readouterr().err


def test_the_same_keys_in_a_file(here):
    (here / "run.toml").write_text(
        'p = 3\ndelta_2 = 0.7\ndelta_p = 1.0\nt_end = 2\ntol = 1e-3\noutput = "r.nc"\nm0 = 0.1\n'
        'temperature = 1\nanneal = "3,2"\nstage = ["1:temperature=0.5", "1.5:temperature=0"]\n'
    )
    assert main(["solve", "--config", "run.toml"]) == 0
    stages = [(1.0, {"T": 0.5}), (1.5, {"T": 0.0})]
    wanted = Protocol(Overlap(0.1), T=1.0, loss_delta=Annealing(3, 2), stages=stages)
    assert str(dmft.load("r.nc").protocol) == str(wanted)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--m0 .1 --start thermal:1", "one of both"),
        ("", "one of both"),
        ("--start foo", "start = 'foo' is not allowed"),
        ("--start thermal:0.1", "T_K = 1.195"),
        ("--m0 .1 --anneal 3", "anneal = '3'"),
        ("--m0 .1 --anneal 3,2 --loss-delta 3=2", "not both"),
        ("--m0 .1 --anneal=-300,70", "loss_delta[3] in stage 0 is -299 at t = 0"),
        ("--m0 .1 --loss-delta 7=1", "order 7"),
        (
            "--m0 .1 --loss-delta 3",
            "loss_delta = '3' is not allowed: it must look like 2=0.9,3=1.5",
        ),
        ("--m0 .1 --stage 3", "stage = '3'"),
        ("--m0 .1 --stage 3:colour=1", "stage = '3:colour=1'"),
        ("--m0 .1 --stage 1:temperature=-1", "T = -1"),
        ("--m0 .1 --stage 1:temperature=0 --stage 0.5:temperature=1", "start = 0.5 of stage 2"),
        ("--m0 .1 --temperature 1,1,-4000", "T in stage 0 is inf at t = 2"),
        ("--m0 .1 --stage 1:temperature=1,1,-800", "T in stage 1 is inf at t = 2"),
        ("--m0 .1 --stage=-1:temperature=0", "start = -1"),
        ("--m0 .1 --learning-rate 0", "learning_rate = 0"),
        ("--m0 .1 --temperature 1,2", "VALUE,TAU,EXPONENT"),
        ("--m0 .1 --temperature hot", "temperature = 'hot'"),
    ],
)
def test_bad_input_writes_nothing(here, capsys, options, sentence):
    assert main(["solve", *SEED.split(), *options.split()]) == 2
    assert sentence in capsys.readouterr().err
    assert list(here.iterdir()) == []
