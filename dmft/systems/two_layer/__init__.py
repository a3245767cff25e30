"""Online SGD in two-layer teacher-student networks (arXiv:1906.08632)."""
