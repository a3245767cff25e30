"""What the commands of all systems share: types of arguments, exit statuses, sentences."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import CycloptsError, Parameter, Token

from dmft.extras import EXTRAS, MissingExtraError, missing

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "PART",
    "STOPPED",
    "Force",
    "Number",
    "Whole",
    "checkpoint_of",
    "guarded",
    "numbers",
    "say",
]

# Exit statuses: done; the computation failed; bad usage or input; stopped before the end, can be
# resumed; interrupted, can be resumed.
OK, FAILED, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130

# What the name of a checkpoint ends in.
PART = ".part"

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


def guarded(call: Callable[[], Any]) -> int:
    """Call and return the exit status; turn what went wrong into one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # A name of a file that the terminal cannot show must not end what has been done.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(call() or 0)
    except (CycloptsError, ValueError, FileNotFoundError, MissingExtraError) as error:
        return say(_in_a_shell(str(error)), BAD_INPUT)
    except KeyboardInterrupt:
        return say("interrupted", INTERRUPTED)
    except (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            return say(str(missing(error.name, what="this command")), BAD_INPUT)
        return say(f"{type(error).__name__}: {_in_a_shell(str(error))}", FAILED)


def _in_a_shell(sentence: str) -> str:
    """Return a sentence of the library in one line, with the option in place of the argument."""
    return " ".join(sentence.replace("(force=True)", "(--force)").split())


def checkpoint_of(output: Path) -> Path:
    """Return the file to which a run is saved while it lasts."""
    return output.with_name(output.name + PART)


def numbers(name: str, text: str) -> list[float]:
    """Return the numbers of a text such as 1,10,100."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} = {text!r} is not allowed: it must look like 1,10,100") from None
