"""The Bayes-optimal committee machine (arXiv:1806.05451): model and theory."""
