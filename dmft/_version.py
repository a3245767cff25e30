"""The version of the package, in a file of its own so that every room can import it."""

__version__ = "0.2.0"
