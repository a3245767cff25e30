"""What the commands of all systems share: arguments, exit statuses, tables and figures."""

# No annotations as text here: cyclopts looks up the types of inherited fields in the module of the
# subclass.
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import CycloptsError, Parameter, Token

from dmft.extras import EXTRAS, MissingExtraError, missing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "PART",
    "STOPPED",
    "Force",
    "Number",
    "Numbers",
    "Watching",
    "Whole",
    "check_products",
    "checkpoint_of",
    "drawn",
    "guarded",
    "say",
    "tabulated",
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
Numbers = Annotated[list[Number], Parameter(consume_multiple=True)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Watching:
    """How a run is watched and saved: options of the commands of all systems that solve.

    Parameters
    ----------
    stop_relaxed
        Stop once the quantities of the run, having moved, changed by less than this since t/2.
    max_seconds
        Stop after this many seconds; go on with `dmft resume`.
    checkpoint_every
        Seconds between two checkpoints, > 0.
    threads
        Threads to use; all unless given.
    """

    stop_relaxed: float | None = None
    max_seconds: float | None = None
    checkpoint_every: float = 60.0
    threads: Whole | None = None
    force: Force = False


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


def check_products(output: Path | None = None, plot: Path | None = None, *, force: bool) -> None:
    """Refuse a table or a figure that could not be written, before anything is computed.

    Raises
    ------
    ValueError
        A file exists and `force` is False, its folder cannot be written, the figure has no known
        format, or both are the same file.
    """
    from dmft import figures, storage

    for name, target in (("output", output), ("plot", plot)):
        if target is not None:
            storage.check_target(target, force=force, name=name)
    if plot is not None:
        figures.check_format(plot)
        if output is not None and output.resolve() == plot.resolve():
            raise ValueError(f"plot = {str(plot)!r} is not allowed: it is the file of the table")


def tabulated(table: Mapping[str, "NDArray[Any]"], output: Path | None, *, force: bool) -> int:
    """Save a table and say so, or print it where no file is named; return the exit status."""
    from dmft import tables

    if output is None:
        tables.write_csv(sys.stdout, table)
    else:
        tables.save_csv(output, table, force=force)
        print(f"saved {output}")
    return OK


def drawn(figure: "Figure", plot: Path, *, force: bool) -> int:
    """Save a figure, say so and return the exit status."""
    from dmft import figures

    figures.save(figure, plot, force=force)
    print(f"saved {plot}")
    return OK
