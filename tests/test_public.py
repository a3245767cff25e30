"""What users have, and what must not change unseen: names, import paths, commands, old files."""

import dataclasses
import importlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import dmft
from dmft.cli import app
from dmft.systems import SYSTEMS
from tests.damage import same_contents

DATA = Path(__file__).parent / "data"
# Every name and command of version 0.1.0 and the options of each.
COMMANDS = json.loads((DATA / "commands.json").read_text())
NAMES = (
    "Annealing", "DenseOptions", "GradientDescentOptions", "Overlap", "OverlapReached", "PowerLaw",
    "Progress", "Protocol", "Relaxed", "SlicesOptions", "Solution", "SpikedMatrixTensor",
    "SpikedMixture", "Stage", "Status", "Switch", "Thermal", "WallTime", "load", "observables",
    "plots", "resume", "solve", "theory",
)  # fmt: skip
PATHS = (
    "dmft.analysis.relaxation", "dmft.analysis.threshold", "dmft.equations", "dmft.growth",
    "dmft.model", "dmft.observables", "dmft.plots", "dmft.protocol", "dmft.reference.check",
    "dmft.report", "dmft.solvers", "dmft.solvers.slices", "dmft.solvers.slices.options",
    "dmft.theory.bayes", "dmft.theory.hessian", "dmft.theory.kac_rice", "dmft.theory.phases",
    "dmft.theory.state_evolution", "dmft.theory.thermal", "dmft.theory.thresholds",
)  # fmt: skip


def commands(parent, prefix=()):
    """Yield each command with its arguments."""
    for name in parent:
        if name.startswith("-"):
            continue
        one = parent[name]
        if one.default_command is not None:
            yield " ".join((*prefix, name)), one.assemble_argument_collection(parse_docstring=True)
        yield from commands(one, (*prefix, name))


@pytest.mark.parametrize("name", NAMES)
def test_names_stay(name):
    assert getattr(dmft, name) is not None
    assert name in dmft.__all__


def public():
    """Yield the functions and classes that users have, by name."""
    homes = {f"dmft.theory.{k}": home for s in SYSTEMS.values() for k, home in s.theory.items()}
    homes |= {name: name for name in ("dmft", "dmft.data", "dmft.observables", "dmft.plots")}
    for name, home in homes.items():
        module = importlib.import_module(home)
        for one in module.__all__:
            found = getattr(module, one)
            if inspect.isfunction(found) or inspect.isclass(found):
                yield f"{name}.{one}", found


# The first is drawn from runs of hours, the second writes a file.
WITHOUT_EXAMPLE = {"dmft.plots.measured_threshold", "dmft.plots.save"}


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*p, id=p[0]) for p in public()])
def test_docstrings_have_their_sections(name, thing):
    """Arguments, what comes back and an example; what classes hold.  Doctests run the examples."""
    text = inspect.getdoc(thing)
    fields = dataclasses.is_dataclass(thing) or hasattr(thing, "_fields")
    if inspect.isclass(thing):
        assert not fields or "Attributes\n---" in text or "Parameters\n---" in text
        return
    assert "Parameters\n---" in text or not inspect.signature(thing).parameters
    # A context manager such as plots.style gives nothing.
    gives = inspect.signature(thing).return_annotation not in ("None", "Iterator[None]")
    assert "Returns\n---" in text or not gives
    assert "Examples\n---" in text or name in WITHOUT_EXAMPLE


def test_all_is_what_the_systems_export():
    exported = {name for system in SYSTEMS.values() for name in system.exports}
    shared = {
        "CheckpointWarning", "FailedRunWarning",
        "OverlapReached", "Progress", "Relaxed", "Solution", "Status", "WallTime", "__version__",
        "data", "load", "observables", "plots", "resume", "solve", "theory",
    }  # fmt: skip
    assert set(dmft.__all__) == exported | shared
    assert dmft.__all__ == sorted(dmft.__all__)
    for name in dmft.__all__:
        getattr(dmft, name)


@pytest.mark.parametrize("path", PATHS)
def test_import_paths_stay(path):
    """An alias is the module itself, not a second copy of it: a class has one home."""
    module = importlib.import_module(path)
    if not path.startswith(("dmft.reference", "dmft.report")):
        assert module.__name__.startswith("dmft.systems.spiked.")
    home = importlib.import_module(module.__name__)
    assert module is home
    assert module.__spec__.name == module.__name__


def test_from_imports_stay():
    from dmft.theory.thresholds import gradient_flow

    from dmft.theory import thresholds

    assert thresholds.gradient_flow is gradient_flow is dmft.theory.thresholds.gradient_flow


def test_commands_and_options_stay():
    now = {name: {n for a in arguments for n in a.names} for name, arguments in commands(app)}
    for name, options in COMMANDS.items():
        assert name in now, name
        assert set(options) <= now[name], name


def test_every_option_is_explained():
    for name, arguments in commands(app):
        silent = [a.names for a in arguments if not a.children and not a.parameter.help]
        assert not silent, f"{name}: {silent}"


def test_help_of_a_lazy_command_is_that_of_its_function():
    """The line that `dmft --help` shows without loading the command is the beginning of its own."""
    for system in SYSTEMS.values():
        for command in system.commands:
            module, _, name = command.home.partition(":")
            assert getattr(importlib.import_module(module), name) is not None
            assert command.help.endswith(".")


@pytest.mark.parametrize("kind", ["slices", "driven"])
def test_files_of_schema_1_load(kind, tmp_path):
    """Runs that version 0.1.0 wrote: same values, and they go on."""
    wanted = json.loads((DATA / "schema1_values.json").read_text())[kind]
    run = dmft.load(DATA / f"schema1_{kind}.nc")
    assert run.system == "spiked"
    assert (len(run.t), float(run.t[-1])) == (wanted["n"], wanted["t_last"])
    at = run.at(1.5)
    found = {"m": at.m, "mu": at.mu, "e": at.e, "C": run.C(1.5, 0.5), "R": run.R(1.5, 0.5)}
    assert {name: float(value) for name, value in found.items()} == {k: wanted[k] for k in found}
    assert (str(run.protocol), repr(run.model)) == (wanted["protocol"], wanted["model"])
    assert run.message == wanted["message"]
    run.save(tmp_path / "again.nc")
    again = dmft.load(tmp_path / "again.nc")
    assert all((again.series[name] == run.series[name]).all() for name in run.series)


KINDS_2 = ("slices", "dense", "descent", "two_layer", "glm", "committee", "generative")


@pytest.mark.parametrize("kind", KINDS_2)
def test_files_of_schema_2_load(kind, tmp_path):
    """Files without a checksum, of every system: same values."""
    wanted = json.loads((DATA / "schema2_values.json").read_text())[kind]
    run = dmft.load(DATA / f"schema2_{kind}.nc")
    assert (len(run.t), float(run.t[-1])) == (wanted["n"], wanted["t_last"])
    assert (repr(run.model), run.message) == (wanted["model"], wanted["message"])
    for name in run.scalars:
        np.testing.assert_array_equal(run.series[name][-1], wanted[name])
    run.save(tmp_path / "again.nc")
    again = dmft.load(tmp_path / "again.nc")
    assert same_contents(again.contents(), run.contents())


def test_a_run_of_schema_1_goes_on():
    later = dmft.resume(DATA / "schema1_slices.nc", 3.0, threads=1, progress=False)
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
    whole = dmft.solve(model, 3.0, m0=0.1, tol=1e-4, threads=1, progress=False)
    # The numbers of the solver have changed since version 0.1.0, within the tolerance of both.
    assert abs(float(later.at(3.0).m) - float(whole.at(3.0).m)) < 1e-4
