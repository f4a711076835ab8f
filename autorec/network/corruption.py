"""Corruptions by name: noise on the inputs of an example before they are encoded; targets stay as they are.

Denoising autoencoders: Vincent et al., ICML 2008; on ratings CDAE (Wu et al., WSDM 2016). Each step draws
new noise; after training there is none.
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from autorec.network.batch import Batch
from autorec.network.draws import draw_uniform
from autorec.network.example import Example
from autorec.network.parts import Kind

Corruption = Callable[[Example, torch.Generator], Example]


def none() -> Corruption:
    """No noise."""
    return lambda example, generator: example


def masking(p: float) -> Corruption:
    """Each observed input [nnz] becomes 0 with probability p, 0 ≤ p < 1; the others are divided by 1 − p, so that sums
    keep their mean and nothing needs rescaling after training."""

    def mask(values: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        return values * (uniform >= p) / (1 - p)

    return _each(mask)


def gaussian(sd: float) -> Corruption:
    """Adds N(0, sd²) to each observed input [nnz], on the scale inside the network, 1 … 5."""

    def disturb(values: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        noise: torch.Tensor = torch.special.ndtri(uniform).to(values.dtype)
        return values + sd * noise

    return _each(disturb)


CORRUPTIONS: dict[str, Kind[Corruption]] = {
    "none": Kind(none),
    "masking": Kind(masking, 0.0, 1.0),
    "gaussian": Kind(gaussian, 0.0),
}


def _each(change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Corruption:
    """`change` (values [nnz], uniform numbers [nnz] in (0, 1) of `draw_uniform`) applied to every input."""

    def corrupt(example: Example, generator: torch.Generator) -> Example:
        def changed(batch: Batch) -> Batch:
            return batch.with_values(change(batch.values, draw_uniform(batch, example.mesh, generator)))

        return replace(example, inputs=tuple(map(changed, example.inputs)))

    return corrupt
