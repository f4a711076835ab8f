"""A loss that draws codes together in clusters: deep embedded clustering (Xie, Girshick and Farhadi, ICML 2016).

n: rows, k: clusters, K: units of a code. With the reconstruction
beside it the code keeps what a user chose (Guo et al., IJCAI 2017).
"""

import torch


def assign_softly(codes: torch.Tensor, centres: torch.Tensor, scale: float) -> torch.Tensor:
    """[n × k] q, the share that each row has in each cluster, by Student's t with one degree of freedom (eq. 1):

        q_ij = 1 / (1 + ‖z_i − μ_j‖² / s),  divided by its sum over j

    codes z [n × K], centres μ [k × K]; scale: s, 1 in the paper, whose codes are made to have about that size.
    """
    squares = codes.square().sum(dim=1, keepdim=True) + centres.square().sum(dim=1) - 2 * codes @ centres.T
    kernel = 1 / (1 + squares.clamp(min=0) / scale)
    return kernel / kernel.sum(dim=1, keepdim=True)


def sharpen(shares: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """[n × k] p, the target of q (eq. 3): q_ij² / f_j, divided by its sum over j. sizes: f [k], Σ_i q_ij of all rows,
    so that large clusters do not swallow the others."""
    weights = shares.square() / sizes
    return weights / weights.sum(dim=1, keepdim=True)


def clustering_loss(codes: torch.Tensor, centres: torch.Tensor, sizes: torch.Tensor, scale: float) -> torch.Tensor:
    """Σ_i KL(p_i ‖ q_i) = Σ p log(p / q), a scalar (eq. 2); p is a constant, made of q as it is."""
    shares = assign_softly(codes, centres, scale)
    target = sharpen(shares, sizes).detach()
    return (target * (target / shares).log()).sum()
