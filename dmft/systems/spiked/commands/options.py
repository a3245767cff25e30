"""Options that commands of the spiked model share: the model, and the protocol."""

# No annotations as text here: cyclopts looks up the types of inherited fields in the module of the
# subclass.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dmft.arguments import Number, Whole

if TYPE_CHECKING:
    from dmft.systems.spiked.model import SpikedMixture
    from dmft.systems.spiked.protocol import Protocol

__all__ = ["ModelOptions", "ProtocolOptions"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The channels of a model.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    delta_2
        Noise variance of the matrix channel, > 0.
    delta_p
        Noise variance of the tensor channel, > 0.
    channels
        Any mixture instead of p, delta_2, delta_p: 2=0.9,3=1.5,4=2.0
    """

    p: Whole | None = None
    delta_2: float | None = None
    delta_p: float | None = None
    channels: str | None = None

    def model(self) -> "SpikedMixture":
        """Return the model of --channels, or of --p, --delta-2 and --delta-p.

        Raises
        ------
        ValueError
            Both are given, or neither, or a number is out of its range.
        """
        from dmft import parse
        from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture

        plain = {"--p": self.p, "--delta-2": self.delta_2, "--delta-p": self.delta_p}
        if self.channels is not None:
            if any(value is not None for value in plain.values()):
                raise ValueError("give --channels, or --p with --delta-2 and --delta-p, not both")
            return SpikedMixture(parse.by_order("channels", self.channels))
        for name, value in plain.items():
            if value is None:
                raise ValueError(
                    f"{name} is missing: give --p, --delta-2 and --delta-p, or --channels"
                )
        return SpikedMatrixTensor(*plain.values())  # type: ignore[arg-type]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ProtocolOptions:
    """Where a run begins, and what changes in time.

    Parameters
    ----------
    m0
        Overlap with the signal at t = 0, in [-1, 1]; 0 means no spike.
    temperature
        T >= 0: 0 is gradient flow, 1 samples the Bayes posterior; VALUE,TAU,EXPONENT is the
        schedule VALUE (1 + t/TAU)^-EXPONENT.
    start
        thermal:T0 instead of m0: equilibrium without a spike at T0, not below T_K.
    learning_rate
        Learning rate > 0, a number or a schedule as for the temperature.
    anneal
        C,TAU: Delta'_p(t) = Delta_p + C exp(-t/TAU) in the loss, for all channels p > 2.
    loss_delta
        Variances in the loss where they are not the true ones: 2=1.5,3=0.6
    stage
        What changes at a later time, TIME:KEY=VALUE;... with the keys temperature, learning-rate
        and loss-delta, such as 10:temperature=0; may be given several times, in ascending time.
        m=OVERLAP in place of TIME: once |m| reaches it.
    """

    m0: Number | None = None
    temperature: str = "0"
    start: str | None = None
    learning_rate: str = "1"
    anneal: str | None = None
    loss_delta: str | None = None
    stage: Annotated[list[str] | None, Parameter(negative="")] = None

    def protocol(self) -> "Protocol":
        """Return the protocol, or raise ValueError."""
        from dmft.systems.spiked.protocol.texts import protocol_of

        return protocol_of(
            self.m0, self.start, self.temperature, self.learning_rate, self.anneal,
            self.loss_delta, self.stage or [],
        )  # fmt: skip
