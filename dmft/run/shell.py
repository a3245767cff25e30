"""What the commands that run something share: conditions to stop, saving, the summary."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from dmft import storage
from dmft.arguments import FAILED, INTERRUPTED, OK, STOPPED, Watching, checkpoint_of, say
from dmft.run.output import Mode, held, kept, rescued
from dmft.run.stop import OverlapReached, Relaxed, Stop, WallTime
from dmft.run.told import LOG
from dmft.run.warned import CheckpointWarning, FailedRunWarning
from dmft.solution import Solution, Status

__all__ = ["begun", "carried_out", "commanded", "going_on", "stops", "summary"]

# Values of a run besides its scalars that the summary shows at most, and in one line.
MOST, PER_LINE = 24, 6

STATUS = {
    Status.FINISHED: OK,
    Status.STOPPED: STOPPED,
    Status.INTERRUPTED: INTERRUPTED,
    Status.FAILED: FAILED,
}


def begun(output: Path | None, *, force: bool) -> Path | None:
    """Check that a run can be saved to `output`; return the path of its checkpoint.

    Without `output` there is neither.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: the file exists, or the checkpoint of a run that was cut short does; another
        process is doing a run to the same file; the name is that of another kind of file.
    """
    if output is None:
        return None
    others = "`dmft show` makes figures (--plot) and tables (--csv) of it"
    storage.check_run_name("output", output, others)
    storage.check_target(output, force=force)
    part = checkpoint_of(output)
    with held(output):
        if part.exists() and not force:
            raise storage.FileError(
                f"{str(part)!r} is the checkpoint of a run that was cut short: go on with"
                f" `dmft resume {output}`, or start anew with --force"
            )
        # A run that is killed before its first checkpoint must not be taken for the old one.
        part.unlink(missing_ok=True)
    return part


def going_on(output: Path) -> Path:
    """Check that a run can replace what it goes on with; return the path of its checkpoint.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: the file cannot be written.
    """
    storage.check_target(output, force=True)
    return checkpoint_of(output)


def stops(
    overlap: float | None = None, relaxed: float | None = None, seconds: float | None = None
) -> list[Stop]:
    """Return the conditions that the options --stop-overlap, --stop-relaxed, --max-seconds name."""
    conditions = (
        ("--stop-overlap", OverlapReached, overlap),
        ("--stop-relaxed", Relaxed, relaxed),
        ("--max-seconds", WallTime, seconds),
    )
    found: list[Stop] = []
    for option, kind, value in conditions:
        if value is not None:
            try:
                found.append(kind(value))
            except ValueError as error:
                raise ValueError(f"{option}: {error}") from None
    return found


def commanded(
    run: Callable[..., Solution],
    output: Path | None,
    watching: Watching,
    *,
    stop_overlap: float | None = None,
    resumable: bool = True,
) -> int:
    """Do the run that a command asks for: ``run(stop=, checkpoint=, checkpoint_every=, threads=)``.

    What the run itself needs is checked before: from here on old checkpoints are gone.
    """
    conditions = stops(stop_overlap, watching.stop_relaxed, watching.max_seconds)
    part = begun(output, force=watching.force)
    return carried_out(
        lambda: run(
            stop=conditions, checkpoint=part if resumable else None,
            checkpoint_every=watching.checkpoint_every, threads=watching.threads,
        ),
        output, Mode(replaces=watching.force),
    )  # fmt: skip


def carried_out(run: Callable[[], Solution], output: Path | None, mode: Mode) -> int:
    """Do a run, save it in place of its checkpoint, summarise it and return the exit status.

    `mode` says what may be done with a file that is there then.  Without `output` the run is not
    saved, and a last line says how it is.

    SIGTERM, which batch systems send before they kill, interrupts the run as Ctrl-C does: what was
    reached is saved to the file that was asked for.
    """
    if output is not None:
        with held(output) as unlocked:
            if unlocked:
                LOG.warning(
                    "%s cannot be locked (%s): another process that writes it is seen only when the"
                    " run is saved", output, unlocked,
                )  # fmt: skip
            return _saved(_done(run), output, mode)
    solution = _done(run)
    print(summary(solution))
    print("not saved   (--output run.nc saves a run, and `dmft show` and `dmft resume` read it)")
    status = STATUS[solution.status]
    return OK if status == OK else say(solution.message, status)


def _done(run: Callable[[], Solution]) -> Solution:
    with _sigterm_noted(), _warnings_said():
        return run()


@contextmanager
def _warnings_said() -> Iterator[None]:
    """Say it in a sentence where a checkpoint fails; how the run ends is said anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FailedRunWarning)
        warnings.simplefilter("always", CheckpointWarning)
        usual = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if issubclass(category, CheckpointWarning):
                say(str(message), OK)
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


@contextmanager
def _sigterm_noted() -> Iterator[None]:
    """Let SIGTERM do nothing but what the time loop makes of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _saved(solution: Solution, output: Path, mode: Mode) -> int:
    part = checkpoint_of(output)
    try:
        place, why = kept(solution, output, mode)
    except OSError as error:
        print(summary(solution))
        return say(rescued(solution, output, error), FAILED)
    part.unlink(missing_ok=True)
    storage.remove_leftovers(part)
    print(summary(solution))
    print(f"saved       {place}" + (f" ({why})" if why else ""))
    status = STATUS[solution.status]
    if status == OK:
        return OK
    onward = f": go on with `dmft resume {place}`" if status != FAILED and solution.state else ""
    return say(f"{solution.message}; what was reached is saved{onward}", status)


def summary(s: Solution) -> str:
    """Return a run in a few lines: what was solved, how it ended, the last values, the errors."""
    last = {name: float(values) for name, values in s.columns(s.end).items()}
    shown = ", ".join(f"{name} = {last.pop(name):.10g}" for name in s.scalars)
    # A discrete algorithm has no values between its steps: they are interpolated.
    between = f" (between steps: the last is at t = {s.t[-1]:g})" if s.t[-1] > s.end else ""
    lines = [
        f"model       {s.model!r}",
        f"start       {s.setting}",
        f"method      {', '.join(filter(None, (s.method, _options(s))))}",
        f"status      {s.status.value}: {s.message}",
        f"at t = {s.end:<6.6g} {shown}{between}",
    ]
    lines += _further(last)
    lines += [f"{name:11} {sentence}" for name, sentence in s.findings]
    lines += [f"error up to {s.accuracy}"] if s.errors else []
    lines += [
        f"cost        {', '.join(f'{k} {_short(v)}' for k, v in s.stats.items())}",
    ]
    return "\n".join(lines)


def _further(values: Mapping[str, float]) -> list[str]:
    """Return the values that are no scalars of the system as lines, the first MOST of them."""
    shown = [f"{name} = {value:.10g}" for name, value in list(values.items())[:MOST]]
    if len(values) > MOST:
        shown.append(f"and {len(values) - MOST} more (--csv writes all)")
    rows = [", ".join(shown[k : k + PER_LINE]) for k in range(0, len(shown), PER_LINE)]
    return [" " * 12 + row for row in rows]


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _options(s: Solution) -> str:
    options = {k: v for k, v in s.provenance["options"].items() if k != "type" and v is not None}
    tol = s.provenance["tol"]
    known = ({} if tol is None else {"tol": tol}) | options
    return ", ".join(f"{name} = {value}" for name, value in known.items())
