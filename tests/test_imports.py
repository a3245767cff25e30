"""The flow of the package: imports point one way, and `import dmft` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dmft

PACKAGE = Path(dmft.__file__).parent

# A module imports only from lines above its own; modules of one line may import each other.
FLOW = (
    ("checks",),
    ("model",),
    ("theory",),
    ("protocol",),
    ("equations",),
    ("two_time",),
    ("storage",),
    ("solution",),
    ("growth", "observables"),
    ("solvers",),
    ("verification", "stop", "plan"),
    ("loop",),
    ("run",),
    ("analysis",),
    ("plots",),
    ("tables",),
    ("sweep",),
    ("reference",),
    ("citations",),
    ("report",),
    ("reproduce",),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(FLOW) for name in names}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """Yield the rooms of dmft that a file imports from, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "dmft" and len(parts) > 1 and parts[1] in LEVEL:
                yield parts[1]


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def test_every_room_is_in_the_flow():
    assert {room(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_flow(path):
    here = room(path)
    against = {other for other in imported_rooms(path) if LEVEL[other] > LEVEL[here]}
    assert not against, f"{here} imports {against}, which come later in the flow"


def test_the_flow_test_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from dmft.systems.spiked.solve import solve\n")
    assert list(imported_rooms(bad)) == ["run"]
    bad.write_text("import dmft.cli\nfrom dmft import plots\n")
    assert list(imported_rooms(bad)) == ["cli", "plots"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_command_line_knows_validation(path):
    if room(path) != "cli":
        text = path.read_text()
        assert "import validation" not in text
        assert "from validation" not in text


KERNELS = [path for path in FILES if "numba" in path.read_text()]


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_kernels_stand_alone(path):
    """numba's cache looks at one file: a kernel that used another would go stale unseen."""
    jitted = "from numba import" in path.read_text()
    assert not jitted or not list(imported_rooms(path))


EDIT = """
import sys
sys.path.insert(0, sys.argv[1])
import kernels
print(kernels.caller(2.0))
"""


def test_edited_callee_reaches_its_caller(tmp_path):
    """The rule above is enough: editing a callee in the same file changes the cached caller."""
    source = (
        "from numba import njit\n@njit(cache=True)\ndef callee(x):\n    return FACTOR * x\n"
        "@njit(cache=True)\ndef caller(x):\n    return callee(x)\n"
    )
    results = []
    for factor in ("3.0", "5.0"):
        (tmp_path / "kernels.py").write_text(source.replace("FACTOR", factor) + f"# {factor}\n")
        done = subprocess.run(
            [sys.executable, "-c", EDIT, str(tmp_path)], capture_output=True, text=True, check=True
        )
        results.append(float(done.stdout))
    assert results == [6.0, 10.0]


@pytest.mark.parametrize(
    "statement", ["import dmft", "import dmft; dmft.SpikedMixture({2: 1.0})", "import dmft.cli"]
)
def test_import_is_light(statement):
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    for heavy in ("numba", "scipy.optimize", "xarray", "matplotlib", "h5py", "mpmath"):
        assert heavy not in loaded


def test_help_loads_nothing_of_numbers():
    """Half a second is what a help text may take: numpy alone is a fifth of it."""
    program = "import sys; from dmft.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "dmft.cli" in loaded
    assert not loaded & {"numpy", "scipy", "validation", "dmft.systems.spiked.protocol"}
