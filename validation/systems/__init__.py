"""Simulations and comparisons, one folder per system."""
