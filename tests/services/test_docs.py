"""What README and docs show: every command is one that `dmft` takes, every Python block runs."""

import importlib.util
import re
import shlex
import sys
import types
from pathlib import Path

import pytest

import dmft
from dmft.cli import app, main
from validation.cli import app as validation_app
from validation.cli import main as validation_main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(sh|python|toml)\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"^    ((?:dmft|python) .*)$", re.M)
CELL = re.compile(r"^```\{code-cell\} ipython3\n((?::.*\n)*)(.*?)^```", re.M | re.S)


def blocks(kind):
    for page in PAGES:
        for k, match in enumerate(BLOCK.finditer(page.read_text())):
            if match[1] == kind:
                yield pytest.param(match[2], id=f"{page.stem}-{k}")


def lines_of(page):
    """The commands of a page: its words and the line."""
    text = page.read_text()
    fenced = [m[2] for m in BLOCK.finditer(text) if m[1] == "sh"]
    for line in [*"".join(fenced).splitlines(), *INDENTED.findall(text)]:
        words = shlex.split(line, comments=True)
        for start in (["dmft"], ["python", "-m", "validation"]):
            if words[: len(start)] == start:
                yield words, line.strip()


def commands():
    for page in PAGES:
        for words, line in lines_of(page):
            yield pytest.param(words, id=f"{page.stem}: {line[:60]}")


@pytest.mark.parametrize("words", list(commands()))
def test_command_is_one(words, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    words = [word.replace("$SLURM_ARRAY_TASK_ID", "3") for word in words]
    if words[0] == "python":
        parse, rest = validation_app, words[3:]
    elif words[1] == "validate":
        parse, rest = validation_app, words[2:]
    else:
        parse, rest = app, words[1:]
    command, bound, _ = parse.parse_args(rest, exit_on_error=False, print_error=False)
    assert command.__module__.startswith(("dmft", "validation", "cyclopts"))
    assert bound is not None


def test_commands_have_one_spelling():
    """`dmft validate`; that `python -m validation` is the same stands in README once."""
    other = {page.stem: page.read_text().count("python -m validation") for page in PAGES}
    assert {name for name, number in other.items() if number} == {"README"}
    assert other["README"] == 1


def test_commands_are_many():
    assert len(list(commands())) > 20


# Hours, a cluster, or with tests of their own; `resume` alone is for runs that were killed.
ELSEWHERE = (
    "measure-threshold", "tables", "validate report", "--scheduler", "resume run.nc -- end",
)  # fmt: skip
SMALL_SWEEP = """
[model]
p = 3
delta_p = 1
[run]
m0 = 0.1
t_end = 20
preset = "loose"
[axes]
delta_2 = [0.4, 0.6, 0.7, 0.8]
"""


def shorter(words):
    """The same command with times up to 20 and few instances."""
    words = [word.replace("$SLURM_ARRAY_TASK_ID", "3") for word in words]
    for k, word in enumerate(words[:-1]):
        if word == "--t-end":
            words[k + 1] = str(min(float(words[k + 1]), 40.0 if "resume" in words else 20.0))
        if word == "--times" and "show" in words:
            words[k + 1] = ",".join(t for t in words[k + 1].split(",") if float(t) <= 20.0)
        if word == "--seeds":
            words[k + 1] = ",".join("4" for _ in words[k + 1].split(","))
    return words


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if any(lines_of(p))], ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")
def test_commands_do(page, tmp_path, monkeypatch, capsys):
    """One after the other, as the page has them (a comparison after what it compares)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text(SMALL_SWEEP)
    if page.stem == "relaxation":  # a loop of the shell
        for channels in ("3=1", "2=1,3=1"):
            run = ["--channels", channels, "--m0", "0", "--t-end", "20"]
            assert main(["solve", *run, "--output", f"{channels}.nc"]) == 0
    for words in sorted((words for words, _ in lines_of(page)), key=lambda w: "compare" in w):
        if any(name in f"{' '.join(words)} -- end" for name in ELSEWHERE):
            continue
        simulated = words[0] == "python" or words[1] == "validate"
        if simulated:
            status = validation_main(
                shorter(words)[words.index("-m") + 2 if "-m" in words else 2 :]
            )
        else:
            status = main(shorter(words)[1:])
        out, err = capsys.readouterr()
        # So few instances may be called too few.
        few = simulated and ("DISAGREE" in out or "TOO LONG" in out)
        assert status == 0 or (status == 1 and few), (words, out, err)


@pytest.mark.parametrize("code", list(blocks("python")))
def test_python_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "sweep.toml").write_text(
        "[model]\nchannels = { 3 = 1 }\n[run]\nm0 = 0\nt_end = 1\nmethod = 'gradient_descent'\n"
        "step = 0.1\n"
    )
    given = {"dmft": dmft}
    if "s.save" in code and "dmft.solve" not in code:
        given["s"] = dmft.solve(
            dmft.SpikedMixture({3: 1.0}), 10.0, m0=0.0, preset="loose", progress=False
        )
        code = code.replace("t_end=1e8", "t_end=20")
    exec(compile(code, "block", "exec"), given)


@pytest.mark.parametrize("code", list(blocks("toml")))
def test_recipes_are_read(code, tmp_path):
    from dmft.sweep import read

    (tmp_path / "sweep.toml").write_text(code)
    recipe = read(tmp_path / "sweep.toml")
    assert len(recipe) in (12, 400)
    assert next(iter(recipe)).parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in PAGES if CELL.search(p.read_text())], ids=lambda p: p.stem
)
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_cells_run(page, tmp_path, monkeypatch, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    shown = types.ModuleType("IPython.display")
    shown.display = lambda *figures: None
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    place = tmp_path / page.parent.relative_to(ROOT)
    place.mkdir(parents=True)
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(place)
    names = {}
    with plt.rc_context({"figure.max_open_warning": 0}):
        for cell in CELL.finditer(page.read_text()):
            exec(compile(cell[2], page.stem, "exec"), names)
        plt.close("all")


def test_every_page_is_reached_from_the_first():
    """The landing page has a line for every page but those of the reference."""
    text = (ROOT / "docs" / "index.md").read_text()
    links = set(re.findall(r"\]\(([^)#]+\.md)\)", text))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    hidden = {page for page in pages if page.startswith("reference/")} | {"index.md"}
    assert pages - hidden <= links
    assert links <= pages


def test_formulas_have_no_less_than_sign():
    """A browser takes it for the beginning of a tag where a letter follows; \\lt is the same."""
    fences = re.compile(r"^```.*?^```", re.M | re.S)
    formula = re.compile(r"\$\$.+?\$\$|(?<![`$\w\\])\$[^$`\n]+?\$", re.S)
    for page in (ROOT / "docs").rglob("*.md"):
        for found in formula.finditer(fences.sub("", page.read_text())):
            assert "<" not in found[0], (page, found[0])


def test_check_of_built_pages(tmp_path):
    """What a page loads from a network is named, links that a reader follows are not."""
    spec = importlib.util.spec_from_file_location("check", ROOT / "docs" / "check_offline.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    page = tmp_path / "a.html"
    page.write_text(
        '<a href="https://arxiv.org">paper</a><script src="_static/a.js"></script>'
        '<link rel="stylesheet" href="_static/a.css"><div class="math">\\[a\\lt b\\]</div>'
    )
    assert check.faults(page) == []
    assert check.main(tmp_path) == 0
    page.write_text(
        '<script async src="https://cdn.jsdelivr.net/m.js"></script>'
        '<link rel="stylesheet" type="text/css" href="//host/a.css">'
        '<div class="math">\\[a<b\\]</div>'
    )
    assert len(check.faults(page)) == 3
    assert check.main(tmp_path) == 1
    (tmp_path / "a.css").write_text("@import url('https://host/b.css');")
    assert len(check.faults(tmp_path / "a.css")) == 1
