"""The checks of the spiked matrix with a generative prior, by name."""

from __future__ import annotations

from validation.systems.base import Command, SystemChecks

__all__ = ["GENERATIVE"]

HERE = "validation.systems.generative"

GENERATIVE = SystemChecks(
    name="generative",
    title="Spiked matrix with a generative prior",
    about=(
        "A latent vector z of k components and known random weights make the spike"
        " v = phi(Wz/sqrt(k)) of p = alpha k components, seen in a noisy matrix (Wigner) or"
        " with a second factor u of n = beta p components (Wishart); Delta is the variance of the"
        " noise. q_v is the overlap of message passing (AMP) with v per component, mse its mean"
        " square error. LAMP is the spectral method that knows W, PCA the one that does not; their"
        " overlaps are squared cosines. Instances have the typical lengths of z, Wz and u, and no"
        " noise along the spike: that leaves the limit as it is and removes most of the scatter."
    ),
    claims=f"{HERE}.claims:CLAIMS",
    slow=("fixed-points", "random-start"),
    commands=(
        Command(
            "generative", f"{HERE}.commands:app",
            "Spiked matrix with a generative prior: AMP, LAMP and PCA on drawn instances.",
        ),
    ),
    simulator=f"{HERE}.simulate:simulate",
)  # fmt: skip
