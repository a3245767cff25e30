"""The papers that the theory of generalized linear models comes from."""

__all__ = ["BIBTEX"]

BIBTEX = """\
@inproceedings{mignacco2020sgd,
  author = {Mignacco, Francesca and Krzakala, Florent and Urbani, Pierfrancesco and
            Zdeborov{\\'a}, Lenka},
  title = {Dynamical mean-field theory for stochastic gradient descent in {G}aussian mixture
           classification},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  year = {2020},
  eprint = {2006.06098},
  archiveprefix = {arXiv}
}

@inproceedings{sarao2020complex,
  author = {Sarao Mannelli, Stefano and Biroli, Giulio and Cammarota, Chiara and
            Krzakala, Florent and Urbani, Pierfrancesco and Zdeborov{\\'a}, Lenka},
  title = {Complex dynamics in simple neural networks: Understanding gradient flow in phase
           retrieval},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  year = {2020},
  eprint = {2006.06997},
  archiveprefix = {arXiv}
}

@inproceedings{mignacco2020role,
  author = {Mignacco, Francesca and Krzakala, Florent and Lu, Yue M. and Urbani, Pierfrancesco
            and Zdeborov{\\'a}, Lenka},
  title = {The role of regularization in classification of high-dimensional noisy {G}aussian
           mixture},
  booktitle = {International Conference on Machine Learning},
  year = {2020},
  eprint = {2002.11544},
  archiveprefix = {arXiv}
}
"""
