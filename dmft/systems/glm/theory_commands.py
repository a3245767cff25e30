"""Commands of the closed forms: thresholds of phase retrieval; minimisers, local entropy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from dmft.arguments import FAILED, OK, Force, Number, Numbers, say, tabulated

__all__ = ["erm", "local_entropy", "thresholds"]

Words = Annotated[list[str], Parameter(consume_multiple=True)]


def thresholds(*, a: Words, output: Path | None = None, force: Force = False) -> int:
    """Tabulate the alpha above which phase retrieval succeeds, and the threshold states there.

    Parameters
    ----------
    a
        Constants of the loss, > 0: one or more; "none" is the loss without denominator, whose
        Hessian at a random start has no edge.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft.systems.glm.theory import phase_retrieval

    rows: list[dict[str, Any]] = []
    for text in a:
        constant = _constant(text)
        try:
            alpha = phase_retrieval.gradient_flow(constant)
        except RuntimeError as error:
            return say(f"{error}", FAILED)
        state = phase_retrieval.threshold_states(alpha, constant)
        start = float("nan") if constant is None else phase_retrieval.initial_bbp(constant)
        row: dict[str, Any] = {"a": text, "alpha_initial_bbp": start, "alpha_gradient_flow": alpha}
        for name in ("chi", "z", "energy", "mu", "edge", "consistent"):
            row[name] = getattr(state, name)
        rows.append(row)
    return _written(rows, output, force)


def erm(
    *,
    alpha: Numbers,
    delta: Number,
    loss: str = "logistic",
    ridge: Numbers = [0.1],  # noqa: B006 - cyclopts reads it and passes a copy
    rho: Number = 0.5,
    bias: str = "none",
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate ridge minimisers on a mixture, for every alpha and ridge, and the Bayes error.

    Parameters
    ----------
    alpha
        Samples per dimension, > 0: one or more.
    delta
        Variance of a cluster, > 0.
    loss
        "square", "logistic" or "hinge".
    ridge
        Ridges, >= 0: one or more.
    rho
        Weight of the class y = +1, in (0, 1).
    bias
        "none", "fitted", or the number that it is.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft.systems.glm.model import GaussianMixture
    from dmft.systems.glm.theory import mixture

    rows, failures = [], []
    for each, strength in itertools.product(alpha, ridge):
        model = GaussianMixture(each, delta, loss, strength, rho, _bias(bias))
        found = mixture.erm(model)
        row: dict[str, Any] = {"alpha": each, "delta": delta, "loss": loss, "ridge": strength}
        row |= {"rho": rho, "bias": bias}
        for name in ("m", "q", "b", "chi", "train_loss", "train_error", "test_error"):
            row[name] = getattr(found, name)
        row |= {
            "bayes_error": mixture.bayes_error(each, delta, rho),
            "status": found.status.value,
        }
        rows.append(row)
        failures += [] if found.success else [found.message]
    return _written(rows, output, force, failures)


def local_entropy(
    *,
    alpha: Number,
    delta: Number,
    cos: Numbers,
    beta: Numbers,
    reference: str = "hebb",
    ridge: Number | None = None,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the local entropy around a reference classifier, for every cosine and beta.

    Parameters
    ----------
    alpha
        Samples per dimension, > 0.
    delta
        Variance of a cluster, > 0.
    cos
        Cosines of the angle to the reference, in (-1, 1): one or more.
    beta
        Prices of a training error, >= 0 or inf: one or more.
    reference
        "hebb", or the minimiser of the "square" or "logistic" loss.
    ridge
        Ridge of the reference, >= 0 (0.1 without it); Hebb's rule has none.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft.systems.glm.model import GaussianMixture
    from dmft.systems.glm.theory import mixture

    if reference == "hebb" and ridge is not None:
        raise ValueError(f"ridge = {ridge:g} is not allowed: the reference hebb has no ridge")
    model = GaussianMixture(alpha, delta, ridge=0.1 if ridge is None else ridge)
    rows, failures = [], []
    for angle, price in itertools.product(cos, beta):
        found = mixture.local_entropy(model, reference, cos=angle, beta=price)
        row: dict[str, Any] = {"alpha": alpha, "delta": delta, "reference": reference}
        row |= {
            "ridge": math.nan if reference == "hebb" else model.ridge,
            "cos": angle,
            "beta": price,
        }
        for name in ("phi", "train_error", "m", "p", "kappa", "test_error", "replicon"):
            row[name] = getattr(found, name)
        rows.append(row | {"status": found.status.value})
        failures += [] if found.success else [found.message]
    return _written(rows, output, force, failures)


def _constant(text: str) -> float | None:
    from dmft.checks import number_in_text

    return None if text.lower() == "none" else number_in_text("a", text)


def _bias(text: str) -> bool | float:
    from dmft.checks import number_in_text

    words = {"none": False, "fitted": True}
    return words[text] if text in words else number_in_text("bias", text)


def _written(
    rows: Sequence[dict[str, Any]], output: Path | None, force: bool, failures: Sequence[str] = ()
) -> int:
    """Print or save a table, say what failed, and return the exit status.

    Raises
    ------
    ValueError
        There are no rows, as an option was given without a value.
    """
    if not rows:
        raise ValueError("there is nothing to tabulate: give at least one value to each option")
    from dmft import tables

    tabulated(tables.of_rows(rows), output, force=force)
    for sentence in failures:
        say(sentence, FAILED)
    return FAILED if failures else OK
