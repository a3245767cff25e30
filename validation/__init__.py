"""Checks of `dmft` against direct simulations at finite N and against its N = infinity limit."""
