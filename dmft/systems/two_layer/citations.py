"""The papers that online learning in two-layer networks comes from."""

__all__ = ["BIBTEX"]

BIBTEX = """\
@inproceedings{Goldt2019dynamics,
  title     = {Dynamics of stochastic gradient descent for two-layer neural networks in the
               teacher-student setup},
  author    = {Goldt, Sebastian and Advani, Madhu S. and Saxe, Andrew M. and Krzakala, Florent
               and Zdeborov{\\'a}, Lenka},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
  eprint    = {1906.08632},
  archivePrefix = {arXiv},
  note      = {Equations of motion, asymptotic generalisation errors}
}

@article{Saad1995online,
  title   = {On-line learning in soft committee machines},
  author  = {Saad, David and Solla, Sara A.},
  journal = {Physical Review E},
  volume  = {52},
  pages   = {4225},
  year    = {1995},
  note    = {Averages of erf units, the symmetric plateau}
}
"""
