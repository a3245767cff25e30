"""What a run warns of, in Python; commands say it in a sentence."""

__all__ = ["CheckpointWarning", "FailedRunWarning"]


class FailedRunWarning(UserWarning):
    """A run ended with status FAILED: its solution holds what was reached before.

    :func:`dmft.solve` and :func:`dmft.resume` give it with the message of the run.
    """


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written (a full disk): the run goes on without it.

    Given once in a run; later checkpoints are tried all the same.
    """
