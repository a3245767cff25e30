"""The papers that the model and its methods come from."""

__all__ = ["BIBTEX"]

BIBTEX = """\
@article{SaraoMannelli2020marvels,
  title   = {Marvels and Pitfalls of the {Langevin} Algorithm in Noisy High-Dimensional
             Inference},
  author  = {Sarao Mannelli, Stefano and Biroli, Giulio and Cammarota, Chiara and Krzakala, Florent
             and Urbani, Pierfrancesco and Zdeborov{\\'a}, Lenka},
  journal = {Physical Review X},
  volume  = {10},
  pages   = {011057},
  year    = {2020},
  eprint  = {1812.09066},
  archivePrefix = {arXiv},
  note    = {The model and its Langevin state evolution}
}

@inproceedings{SaraoMannelli2019passed,
  title     = {Passed \\& Spurious: Descent Algorithms and Local Minima in Spiked Matrix-Tensor
               Models},
  author    = {Sarao Mannelli, Stefano and Krzakala, Florent and Urbani, Pierfrancesco
               and Zdeborov{\\'a}, Lenka},
  booktitle = {International Conference on Machine Learning},
  year      = {2019},
  eprint    = {1902.00139},
  archivePrefix = {arXiv},
  note      = {Kac-Rice complexity, ML-AMP}
}

@inproceedings{SaraoMannelli2019afraid,
  title     = {Who is Afraid of Big Bad Minima? {A}nalysis of gradient-flow in spiked matrix-tensor
               models},
  author    = {Sarao Mannelli, Stefano and Biroli, Giulio and Cammarota, Chiara
               and Krzakala, Florent and Zdeborov{\\'a}, Lenka},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
  eprint    = {1907.08226},
  archivePrefix = {arXiv},
  note      = {Gradient flow and its threshold}
}

@article{Crisanti1993dynamics,
  title   = {The spherical p-spin interaction spin-glass model: the dynamics},
  author  = {Crisanti, Andrea and Horner, Heinz and Sommers, Hans-J{\\"u}rgen},
  journal = {Zeitschrift f{\\"u}r Physik B Condensed Matter},
  volume  = {92},
  pages   = {257--271},
  year    = {1993},
  note    = {Equations of the dynamics}
}

@article{Cugliandolo1993analytical,
  title   = {Analytical solution of the off-equilibrium dynamics of a long-range spin-glass model},
  author  = {Cugliandolo, Leticia F. and Kurchan, Jorge},
  journal = {Physical Review Letters},
  volume  = {71},
  pages   = {173--176},
  year    = {1993},
  note    = {Equations of the dynamics, aging}
}
"""
