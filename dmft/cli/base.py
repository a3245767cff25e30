"""The application: its commands, by name, and what becomes of what they raise.

A command's module loads when the command is called: ``dmft --help`` needs names only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter

from dmft._version import __version__
from dmft.arguments import guarded
from dmft.systems import SYSTEMS
from dmft.systems.base import Command

__all__ = [
    "app",
    "guarded",
    "main",
]

app = App(
    name="dmft",
    help="Mean-field dynamics and thresholds of learning and inference in high dimension.",
    version=__version__,
    help_format="plaintext",  # markdown takes a quarter of its time to import
    suppress_keyboard_interrupt=False,
)
SHARED = (
    Command("resume", "dmft.cli.runs:resume", "Go on with a run, from its file or its checkpoint."),
    Command("show", "dmft.cli.runs:show", "Summarise a run; draw it, or write it as a table."),
    Command("sweep", "dmft.cli.sweeps:sweep", "Do all runs of a recipe, or what is missing of it."),
    Command("collect", "dmft.cli.sweeps:collect", "Make one table of all runs of a sweep."),
    Command("report", "dmft.cli.pages:report", "Make one page of a sweep, to look at."),
    Command("reproduce", "dmft.cli.pages:reproduce", "Do the main job: figures, tables, a page."),
    Command("tables", "dmft.cli.reference:tables_app", "Check or remake the reference data."),
    # `dmft` never imports `validation` otherwise.
    Command("validate", "dmft.cli.validation:app", "Check the theory against finite-N runs."),
    Command("cite", "dmft.cli.pages:cite", "Print the BibTeX entries of the methods used."),
    Command("completion", "dmft.cli.completion:completion", "Print a shell's completion script."),
)
for command in (*(c for system in SYSTEMS.values() for c in system.commands), *SHARED):
    app.command(command.home, name=command.name, help=command.help)

# The inner app passes Ctrl-C on as well.
app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None, Parameter(help="TOML file with values for the command's parameters.")
    ] = None,
    quiet: Annotated[
        bool, Parameter(negative="", help="No log lines on stderr while something lasts.")
    ] = False,
) -> int:
    if config is not None:
        from dmft.checks import read_toml

        found = read_toml("config", config)
        tables = [name for name, value in found.items() if isinstance(value, dict)]
        if tables:
            raise ValueError(
                f"config = {str(config)!r} is not allowed: it has the table [{tables[0]}];"
                " values stand at the top, without a table"
            )
        app.config = (cyclopts.config.Toml(config, must_exist=True, use_commands_as_keys=False),)
    with _logged(quiet):
        try:
            result = app(
                tokens, exit_on_error=False, print_error=False, result_action="return_value"
            )  # fmt: skip
        except cyclopts.UnknownOptionError as error:
            if config is None or error.token.source == "cli":
                raise
            raise ValueError(_unknown_key(config, error)) from None
    return int(result or 0)


def _unknown_key(config: Path, error: cyclopts.UnknownOptionError) -> str:
    """Return the sentence about a key of --config that the command does not have."""
    import difflib

    key = (error.token.keyword or error.token.value).strip("[]-").replace("_", "-")
    known = [
        name.removeprefix("--")
        for argument in error.argument_collection
        for name in argument.names
        if name.startswith("--") and argument.parse
    ]
    near = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it must be one of {', '.join(known)}"
    return f"config = {str(config)!r}: unknown key {key!r}: {hint}"


@contextmanager
def _logged(quiet: bool) -> Iterator[None]:
    """Show the log of the package on stderr: where that is a terminal, warnings only.

    In a terminal a progress bar says the rest.
    """
    import logging

    log = logging.getLogger("dmft")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("dmft: %(message)s"))
    level = logging.WARNING if sys.stderr.isatty() else logging.INFO
    before = log.level, log.propagate
    log.setLevel(logging.CRITICAL if quiet else level)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    app.config = ()  # what --config set in an earlier call
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app.meta(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
    )
