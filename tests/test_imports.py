"""The flow of the package: imports of every file point one way, without circles; `import dmft` is
light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dmft

PACKAGE = Path(dmft.__file__).parent
ROOT = PACKAGE.parent

# A file imports only from files of its own level or above; systems never from each other.  Inside a
# level, too, there is no circle.
FLOW = (
    (
        "_version", "arguments", "checks", "extras", "figures", "notebook", "parse",
        "reference_table", "schedules", "storage", "tables", "threads",
    ),
    ("numerics", "two_time"),
    ("solution", "run"),
    ("systems",),
    ("_aliases", "_api", "__init__", "data", "theory"),
    ("sweep", "reference", "citations", "report", "reproduce", "cli", "__main__"),
    ("validation",),
)  # fmt: skip
LEVEL = {name: level for level, names in enumerate(FLOW) for name in names}
FILES = sorted(p for folder in (PACKAGE, ROOT / "validation") for p in folder.rglob("*.py"))
# Ground that numerics may be used by: functions of time are piecewise polynomials.
ALLOWED = {("schedules", "numerics")}


def name_of(path):
    """Return the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def room(name):
    """Return the room of a module: its level in the flow."""
    parts = name.split(".")
    if parts[0] == "validation":
        return "validation"
    return parts[1] if len(parts) > 1 else "__init__"


def imported(path):
    """Yield the modules of this repository that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES:
                    yield inner
                elif node.module in MODULES:
                    yield node.module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in MODULES:
                    yield alias.name


IMPORTS = {name: set(imported(path)) - {name} for name, path in MODULES.items()}


def test_every_room_is_in_the_flow():
    assert {room(name) for name in MODULES} <= set(LEVEL)


@pytest.mark.parametrize("name", MODULES)
def test_imports_follow_the_flow(name):
    here = room(name)
    against = {
        other
        for other in IMPORTS[name]
        if LEVEL[room(other)] > LEVEL[here] and (here, room(other)) not in ALLOWED
    }
    if here == "cli":  # `dmft validate` and the main job's simulations, loaded when they are called
        against -= {other for other in against if room(other) == "validation"}
    assert not against, f"{name} imports {against}, which come later in the flow"


SYSTEMS = [name for name in MODULES if ".systems." in name]


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_do_not_know_each_other(name):
    def system(module):
        parts = module.split(".")
        return parts[2] if parts[1] == "systems" and len(parts) > 3 else None

    others = {system(other) for other in IMPORTS[name]} - {system(name), None}
    assert system(name) is None or not others, f"{name} imports from {others}"


def circle(imports):
    """Return a circle of imports, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        found = next(filter(None, map(visit, sorted(imports.get(name, ())))), None)
        path.pop()
        done.add(name)
        return found

    return next(filter(None, map(visit, sorted(imports))), None)


def test_no_circles():
    # A package's __init__ imports what it exports; the files inside do not import the package.
    assert circle(IMPORTS) is None


def test_the_tests_of_the_flow_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from dmft.sweep.recipe import read\n    import dmft.checks\n")
    assert set(imported(bad)) == {"dmft.sweep.recipe", "dmft.checks"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith("dmft.")])
def test_only_the_command_line_knows_validation(name):
    if room(name) != "cli":
        assert not any(room(other) == "validation" for other in IMPORTS[name])


KERNELS = [name for name, path in MODULES.items() if "from numba import" in path.read_text()]


def foreign(path):
    """Return the names from other files of this repository that jitted functions of a file use."""
    tree = ast.parse(path.read_text())
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("dmft", "validation")
        for alias in node.names
    }
    used = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and "njit" in "".join(map(ast.dump, node.decorator_list))
        for statement in node.body
        for name in ast.walk(statement)
        if isinstance(name, ast.Name)
    }
    return own & used


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_stand_alone(name):
    """numba's cache looks at one file: a kernel that used another would go stale unseen.

    Types of arguments may come from another file: they are part of what the cache looks up.
    """
    assert not foreign(MODULES[name])


def test_the_test_of_kernels_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from numba import njit\nfrom dmft.other import helper, Kind\n"
        "@njit(cache=True)\ndef f(x: Kind):\n    return helper(x)\n"
    )
    assert foreign(bad) == {"helper"}


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


def loaded_by(program):
    """Return the modules that a program in a new process has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement", ["import dmft", "import dmft; dmft.SpikedMixture({2: 1.0})", "import dmft.cli"]
)
def test_import_is_light(statement):
    heavy = {"numba", "scipy.optimize", "xarray", "matplotlib", "h5py", "mpmath"}
    assert not loaded_by(statement) & heavy


def test_help_loads_nothing_of_numbers():
    """Half a second is what a help text may take: numpy alone is a fifth of it."""
    loaded = loaded_by("from dmft.cli import main; main(['--help'])")
    assert "dmft.cli" in loaded
    assert not loaded & {"numpy", "scipy", "validation", "dmft.systems.spiked.model"}
