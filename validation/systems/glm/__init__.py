"""Generalized linear models at finite N."""
