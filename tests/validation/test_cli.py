"""`python -m validation` at the keyboard: what it offers for all systems."""

import subprocess
import sys
from pathlib import Path

import pytest

import dmft
from dmft.cli import main as dmft_main
from dmft.systems import SYSTEMS as SOLVED
from validation.cli import app, main
from validation.systems import SYSTEMS
from validation.systems.base import resolve

MODEL = "--p 3 --delta-2 0.7 --delta-p 1 --m0 0.2"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_a_system_registers_is_there(name):
    """Claims, commands, formats and tables are named by strings: each names something."""
    system = SYSTEMS[name]
    assert system.name == name
    assert set(system.slow) <= set(system.load_claims())
    for home in (*(c.home for c in system.commands), system.runs, system.tables):
        assert not home or resolve(home) is not None
    for command in system.commands:
        assert command.name in app


def test_importing_validation_loads_no_system():
    """Nothing of a system is imported before it is used, and nothing of the command line."""
    program = "import sys; import validation.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "validation.systems.spiked.system" in loaded
    assert not loaded & {"numpy", "dmft.cli", "validation.systems.spiked.commands"}


ROOT = Path(resolve.__code__.co_filename).parents[1]
FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_validation_does_not_import_the_command_line(path):
    assert "dmft.cli" not in path.read_text()


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda path: path.stem)
def test_shared_rooms_name_no_system(path):
    """Only ``validation/systems/__init__.py`` knows which systems there are."""
    for name in SOLVED:
        assert f"systems.{name}" not in path.read_text()


@pytest.mark.parametrize("n", ["1e8", "200"])
def test_runs_are_compared_with_a_saved_theory(here, capsys, n):
    """The round trip: `revealed --runs`, `dmft solve`, `compare`."""
    flow = "--p 3 --delta-2 0.7 --delta-p 1 --m0 0.2"
    step = "--step 0.1 --method gradient_descent"
    assert dmft_main(f"solve {flow} --t-end 2 {step} --output run.nc".split()) == 0
    main(f"revealed {MODEL} --n {n} --seeds 10 --t-end 2 --runs runs.csv".split())
    capsys.readouterr()
    compare = "compare --theory run.nc --simulation runs.csv --output t.csv"
    assert dmft_main(f"validate {compare} --plot t.png".split()) == 0
    assert Path("t.png").read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert f"N = {float(n):g}: 10 runs" in out
    assert "simulation DISAGREE" not in out.splitlines()[-1]
    assert "left out: t = 0, where the start is prescribed" in out
    # Runs of another model are refused.
    text = Path("runs.csv").read_text().replace(",0.7,", ",0.8,")
    Path("runs.csv").write_text(text)
    assert main(f"{compare} --force".split()) == 2
    assert "delta_2 = 0.8, but the theory has 0.7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("t,m,e,seed\n1,0.3,-1,0\n", "lacks N of the columns t, m, e, seed, N"),
        ("t,m,e,seed,N\n1,nan,-1,0,99\n", "line 2: m = 'nan' is not allowed"),
        ("t,m,e,seed,N\n2,0.3,-1,0,99\n1,0.3,-1,0,99\n", "the times of a run must ascend"),
        ("t,m,e,seed,N,delta_2\n1,0.3,-1,0,99,0.8\n", "delta_2 = 0.8, but the theory has 0.7"),
        ("t,m,e,seed,N,delta_5\n1,0.3,-1,0,99,1\n", "a column delta_5, and the theory has none"),
        ("t,m,e,seed,N\n1,0.3,-1,0,9\n", "N = 9 is not allowed"),
        ("t,m,e,seed,N\n", "it has no rows"),
    ],
)
def test_bad_runs_are_status_2_and_nothing_is_written(here, capsys, text, sentence):
    model = dmft.SpikedMatrixTensor(3, 0.7, 1.0)
    dmft.solve(model, 2.0, m0=0.2, method="gradient_descent", step=0.1).save("run.nc")
    Path("runs.csv").write_text(text)
    compare = "compare --theory run.nc --simulation runs.csv --output z.csv"
    assert main(compare.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert sentence in err
    assert sorted(path.name for path in here.iterdir()) == ["run.nc", "runs.csv"]
