"""The papers that the model and its theory come from."""

__all__ = ["BIBTEX"]

BIBTEX = """\
@inproceedings{Aubin2019generative,
  title     = {The spiked matrix model with generative priors},
  author    = {Aubin, Benjamin and Loureiro, Bruno and Maillard, Antoine and Krzakala, Florent
               and Zdeborov{\\'a}, Lenka},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
  eprint    = {1905.12385},
  archivePrefix = {arXiv},
  note      = {Generative prior: state evolution, information, transitions, AMP, LAMP}
}

@article{BenaychGeorges2012singular,
  title   = {The singular values and vectors of low rank perturbations of large rectangular random
             matrices},
  author  = {Benaych-Georges, Florent and Nadakuditi, Raj Rao},
  journal = {Journal of Multivariate Analysis},
  volume  = {111},
  pages   = {120--135},
  year    = {2012},
  eprint  = {1103.2221},
  archivePrefix = {arXiv},
  note    = {Principal components of a spiked matrix}
}
"""
