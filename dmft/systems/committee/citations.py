"""The paper that the model and its theory come from."""

__all__ = ["BIBTEX"]

BIBTEX = """\
@inproceedings{Aubin2018committee,
  title     = {The committee machine: Computational to statistical gaps in learning a two-layers
               neural network},
  author    = {Aubin, Benjamin and Maillard, Antoine and Barbier, Jean and Krzakala, Florent
               and Macris, Nicolas and Zdeborov{\\'a}, Lenka},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018},
  eprint    = {1806.05451},
  archivePrefix = {arXiv},
  note      = {Bayes-optimal committee machine: state evolution, free entropy, message passing}
}"""
