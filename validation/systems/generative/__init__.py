"""Spiked matrix with a generative prior at finite size, against its theory.

``instances`` draws the matrices; ``amp`` and ``spectral`` estimate the spike; ``compare`` puts many
instances beside state evolution.
"""
