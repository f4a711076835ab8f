"""What is done to the inputs of an example before they are encoded, by name; targets stay as they are.

Denoising autoencoders: Vincent et al., ICML 2008; on ratings CDAE (Wu et al., WSDM 2016). Corruption is drawn anew in
each step, and not applied after training.
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from autorec.network.batch import Batch
from autorec.network.example import Example
from autorec.network.parts import Kind

Corruption = Callable[[Example, torch.Generator], Example]


def none() -> Corruption:
    return lambda example, generator: example


def masking(p: float) -> Corruption:
    """Each observed input becomes 0 with probability p, the others are multiplied by 1 / (1 − p): their sums keep their
    mean, so that nothing is to be rescaled after training."""

    def mask(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        kept = torch.rand(values.shape, generator=generator, device=values.device) >= p
        return values * kept / (1 - p)

    return _each(mask)


def gaussian(sd: float) -> Corruption:
    """To each observed input a normal number of standard deviation sd is added, on the scale inside the network."""

    def disturb(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return values + sd * torch.randn(values.shape, generator=generator, device=values.device)

    return _each(disturb)


CORRUPTIONS: dict[str, Kind[Corruption]] = {
    "none": Kind(none),
    "masking": Kind(masking, 0.0, 1.0),
    "gaussian": Kind(gaussian, 0.0),
}


def _each(change: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> Corruption:
    """`change` applied to the values of every input."""

    def corrupt(example: Example, generator: torch.Generator) -> Example:
        def changed(batch: Batch) -> Batch:
            return batch.with_values(change(batch.values, generator))

        return replace(example, inputs=tuple(map(changed, example.inputs)))

    return corrupt
