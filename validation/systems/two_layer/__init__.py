"""Online SGD at finite input dimension against the equations of the order parameters."""
