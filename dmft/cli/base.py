"""The application, its exit statuses and what all commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import App, Parameter, Token

import dmft

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "OK",
    "STOPPED",
    "Force",
    "Number",
    "Whole",
    "app",
    "guarded",
    "main",
    "say",
]

OK, FAILED, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130

app = App(
    name="dmft",
    help="Mean-field dynamics and thresholds of the spiked matrix-tensor model.",
    version=dmft.__version__,
    help_format="plaintext",  # markdown takes a quarter of its time to import
    suppress_keyboard_interrupt=False,
)
# Loaded when called: `dmft` never imports `validation` otherwise.
app.command("validation.cli:app", name="validate", help="Check the theory against finite-N runs.")

Force = Annotated[bool, Parameter(negative="", help="Overwrite existing files.")]


def _whole(_type: object, tokens: Sequence[Token]) -> float:
    # cyclopts would turn 2.5 into 2; the model's own check refuses it.
    text = tokens[0].value
    try:
        return int(text) if text.strip("+-").isdecimal() else float(text)
    except ValueError:
        raise ValueError(f"value = {text!r} is not allowed: it must be an integer") from None


def _number(_type: object, tokens: Sequence[Token]) -> float:
    from dmft.checks import number_in_text  # numpy comes with it

    return number_in_text("value", tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]
Number = Annotated[float, Parameter(converter=_number)]


def say(sentence: str, status: int) -> int:
    """Print the sentence on stderr and return the status."""
    print(f"dmft: {sentence}", file=sys.stderr)
    return status


# The inner app passes Ctrl-C on as well.
app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None, Parameter(help="TOML file with values for the command's parameters.")
    ] = None,
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
    result = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return int(result or 0)


def guarded(call: Callable[[], Any]) -> int:
    """Call and return the exit status; turn what went wrong into one line on stderr."""
    try:
        return int(call() or 0)
    except (cyclopts.CycloptsError, ValueError, FileNotFoundError) as error:
        return say(" ".join(str(error).split()), BAD_INPUT)
    except KeyboardInterrupt:
        return say("interrupted", INTERRUPTED)
    except (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError) as error:
        return say(f"{type(error).__name__}: {error}", FAILED)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    app.config = ()  # what --config set in an earlier call
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app.meta(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
    )
