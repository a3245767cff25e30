"""What a system is to the rest of the house: services ask a System, and name none.

A system is a subclass in ``dmft/systems/<name>/system.py``, named in ``dmft/systems/__init__.py``.
Importing it is light: it holds names.  What the services ask for is in files of agreed names in the
system's folder, which the methods below import when they are called; what a system does not have
(dynamics, observables, a main job) it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from dmft import extras

if TYPE_CHECKING:
    import os
    import re
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from dmft.reference_table import ReferenceTable
    from dmft.run.job import Job
    from dmft.solution import Solution
    from dmft.storage import Contents

    Array = NDArray[Any]
    Columns = Mapping[str, Array]

__all__ = [
    "Command",
    "Diagram",
    "Lines",
    "MainJob",
    "PageTable",
    "Panel",
    "Picture",
    "RecipeKeys",
    "Section",
    "System",
]


class Command(NamedTuple):
    """A command of the command line: its name, "module:function", and a line of help."""

    name: str
    home: str
    help: str


class RecipeKeys(NamedTuple):
    """The keys that a recipe may have in [model] and [run].

    Keys that `pattern` matches may stand in [model], too.
    """

    model: tuple[str, ...]
    run: tuple[str, ...]
    pattern: re.Pattern[str] | None = None

    def matches(self, name: str) -> bool:
        """Return whether a key is one of those that the pattern describes."""
        return self.pattern is not None and self.pattern.fullmatch(name) is not None


class Panel(NamedTuple):
    """A panel of the report for each run.

    Attributes
    ----------
    title, abscissa : str
        Its title, and what its abscissa is.
    logarithmic : bool
        Whether the abscissa is logarithmic.
    log_ordinate : bool
        Whether the ordinate is.
    """

    title: str
    abscissa: str
    logarithmic: bool
    log_ordinate: bool = False


class Lines(NamedTuple):
    """Several lines of one panel: abscissa (n,), ordinates (n, lines), a name for each line."""

    x: Array
    y: Array
    names: tuple[str, ...]


class Diagram(NamedTuple):
    """A figure of the report for all runs together: title, plotly figure, a text below it."""

    title: str
    figure: Any
    text: str


class Picture(NamedTuple):
    """A figure of the main job: its file, title and caption."""

    file: str
    title: str
    caption: str


class PageTable(NamedTuple):
    """Numbers that the main job's page shows: a title, a text, the header, rows of cells."""

    title: str
    text: str
    header: list[str]
    rows: list[list[str]]


class Section(NamedTuple):
    """What the page of the main job says of one system.

    Attributes
    ----------
    title, introduction : str
        What the system is, in a few sentences.
    pictures : list of Picture
        Its figures.
    tables : list of PageTable
        Numbers that the page shows.
    comparison : str
        File of the table of theory against simulation; empty if there is none.
    sources : str
        The papers.
    finding : str
        What the figures say, in two sentences.
    """

    title: str
    introduction: str
    pictures: list[Picture]
    tables: list[PageTable]
    comparison: str
    sources: str
    finding: str = ""


class MainJob(NamedTuple):
    """The part of a system in the main job.

    Attributes
    ----------
    steps : int
        How often `make` says what it is doing.
    jobs : list of Job
        Runs of a small sweep, which the system's report shows.
    make : callable
        ``make(folder, simulator, doing)`` writes figures and tables into the folder.
    """

    steps: int
    jobs: list[Job]
    make: Callable[[Path, Any, Callable[[str], None]], Section]


class System:
    """One system that the package solves."""

    # In files and recipes, and the name of its folders.
    name: ClassVar[str]
    title: ClassVar[str]
    # Public name -> module that has it; which of them are models; name in `dmft.theory` -> module.
    exports: ClassVar[Mapping[str, str]]
    models: ClassVar[tuple[str, ...]]
    theory: ClassVar[Mapping[str, str]]
    commands: ClassVar[tuple[Command, ...]] = ()
    # The one-time quantities that tables of runs show: those of the system's solutions.
    scalars: ClassVar[tuple[str, ...]] = ()
    # What `dmft show --observable` knows besides the series.
    observables: ClassVar[tuple[str, ...]] = ()
    panels: ClassVar[tuple[Panel, ...]] = ()
    # Explains the symbols of the panels.
    symbols: ClassVar[str] = ""

    def part(self, module: str, name: str) -> Any:
        """Return what a module of the system's folder has under a name; None: it has no such.

        So the files of a system have the same names in every folder, and a system does not say
        again what its folder shows.
        """
        from importlib import import_module
        from importlib.util import find_spec

        home = f"{__package__}.{self.name}.{module}"
        return None if find_spec(home) is None else getattr(import_module(home), name, None)

    def _needed(self, module: str, name: str, otherwise: str) -> Any:
        """Return a part of the system, or raise ValueError with a sentence."""
        found = self.part(module, name)
        if found is None:
            raise ValueError(otherwise)
        return found

    # Runs.

    def solve(self, model: Any, t_end: float, **how: Any) -> Solution:
        """Integrate the dynamics of a model: ``solve(model, t_end, **how)`` of `solve.py`."""
        missing = f"the system {self.name!r} has no dynamics: see dmft.theory.{self.name}"
        run: Solution = self._needed("solve", "solve", missing)(model, t_end, **how)
        return run

    def resume(
        self, before: Any, path: str | os.PathLike[str], t_end: float | None, **how: Any
    ) -> Solution:
        """Go on with a saved run: ``resume(before, path, t_end, **how)`` of `solve.py`."""
        missing = f"{str(path)!r} cannot be continued: system {self.name!r} cannot go on"
        run: Solution = self._needed("solve", "resume", missing)(before, path, t_end, **how)
        return run

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds: ``restore(contents)`` of `solution.py`."""
        missing = f"the system {self.name!r} has no runs"
        run: Solution = self._needed("solution", "restore", missing)(contents)
        return run

    # A run, shown.

    def observable(
        self, solution: Any, name: str, times: ArrayLike | None
    ) -> dict[str, NDArray[Any]]:
        """Return a table: ``observable_table(solution, name, times)`` of `observables.py`."""
        known = ", ".join(self.observables) or "none"
        missing = f"observable = {name!r} is not allowed for this system: there is {known}"
        make = self._needed("observables", "observable_table", missing)
        table: dict[str, NDArray[Any]] = make(solution, name, times)
        return table

    def figure(self, solution: Any, observable: str | None, times: ArrayLike | None) -> Figure:
        """Return a figure: ``overview(solution)`` or ``observable(...)`` of `plots.py`."""
        extras.require("matplotlib", what="figures")
        if observable is not None and observable not in self.observables:
            self.observable(solution, observable, times)  # which refuses it
        missing = f"the system {self.name!r} draws no figure of a run"
        if observable is None:
            figure: Figure = self._needed("plots", "overview", missing)(solution)
        else:
            figure = self._needed("plots", "observable", missing)(solution, observable, times)
        return figure

    def curves(self, solution: Any) -> Sequence[tuple[Array, Array] | Lines]:
        """Return abscissa and ordinate of each panel, or lines: ``curves(run)`` of `report.py`."""
        make = self.part("report", "curves")
        return [] if make is None else make(solution)

    # Many runs.

    def recipe_keys(self) -> RecipeKeys:
        """Return the keys that a recipe may have: ``KEYS`` of `recipe.py`."""
        missing = f"system = {self.name!r} is not allowed in a recipe: it has no runs"
        keys: RecipeKeys = self._needed("recipe", "KEYS", missing)
        return keys

    def job(self, given: dict[str, Any]) -> Job:
        """Return the run that parameters of a recipe name: ``job_of(given)`` of `recipe.py`."""
        missing = f"system = {self.name!r} is not allowed in a recipe: it has no runs"
        job: Job = self._needed("recipe", "job_of", missing)(given)
        return job

    def place(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what the runs of a table are sorted by: ``place`` of `sweeping.py`."""
        import json

        by = self.part("sweeping", "place")
        return (json.dumps(parameters, sort_keys=True),) if by is None else by(parameters)

    def parameter_columns(
        self, runs: Sequence[tuple[Mapping[str, Any], Any | None]]
    ) -> list[dict[str, Any]]:
        """Return the parameters of each run as cells of a table, with the same keys for all.

        A run is its parameters, as its job gives them, and its solution, None if it has no file:
        ``parameter_columns(runs)`` of `sweeping.py`.
        """
        missing = f"the system {self.name!r} has no runs"
        make = self._needed("sweeping", "parameter_columns", missing)
        cells: list[dict[str, Any]] = make(runs)
        return cells

    def result_columns(self, solution: Any | None, level: float) -> dict[str, Any]:
        """Return further results of a run for tables: ``result_columns`` of `sweeping.py`.

        `level` is an overlap that counts as an escape; the solution is None if the run has no file.
        """
        make = self.part("sweeping", "result_columns")
        return {} if make is None else make(solution, level)

    def diagrams(self, table: Columns) -> list[Diagram]:
        """Return the report's figures of all runs together: ``diagrams(table)`` of `report.py`."""
        make = self.part("report", "diagrams")
        return [] if make is None else make(table)

    # Products.

    def citations(self) -> str:
        """Return the BibTeX entries of the papers used: ``BIBTEX`` of `citations.py`."""
        return self.part("citations", "BIBTEX") or ""

    def reference(self) -> Mapping[str, ReferenceTable]:
        """Return the reference tables that the theory makes: ``ENTRIES`` of `reference`."""
        return self.part("reference", "ENTRIES") or {}

    def main_job(self, *, quick: bool) -> MainJob | None:
        """Return the part in `dmft reproduce`: ``main_job(quick=)`` of `reproduce.py`, or None."""
        make = self.part("reproduce", "main_job")
        return None if make is None else make(quick=quick)
