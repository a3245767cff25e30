"""Spiked matrix with a generative prior: model, state evolution, thresholds (arXiv:1905.12385).

``model`` -> ``quadrature``, ``posterior`` -> ``averages`` -> ``theory``: a step of state evolution
is an average over the posterior of one component; theory iterates it and solves for its fixed
points.
"""
