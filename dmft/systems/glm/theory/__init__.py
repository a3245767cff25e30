"""Generalized linear models without their dynamics: thresholds, minimisers, local entropy.

:mod:`~dmft.systems.glm.theory.phase_retrieval`  Hessian, threshold states, recovery thresholds
:mod:`~dmft.systems.glm.theory.mixture`          empirical risk, Bayes error, local entropy
"""
