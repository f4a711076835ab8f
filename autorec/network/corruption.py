"""Corruptions by name: noise on the inputs of an example before they are encoded; targets stay as they are.

Denoising autoencoders: Vincent et al., ICML 2008; on ratings CDAE (Wu et al., WSDM 2016). Each step draws
new noise; after training there is none.

A step draws one key from the generator. The random number of an entry is a hash of the key, its row in the batch and
its column (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014), so it is the same however rows and columns
are spread over processes, and no process draws for the entries of others.
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from autorec.network.batch import Batch
from autorec.network.example import Example
from autorec.network.parts import Kind
from autorec.network.shard import Mesh

Corruption = Callable[[Example, torch.Generator], Example]

_STEP = 0x9E3779B97F4A7C15 - 2**64  # int64 wraps as uint64 does
_MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_BITS = 53  # of the fraction of a float64


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


def draw_uniform(batch: Batch, mesh: Mesh, generator: torch.Generator) -> torch.Tensor:
    """[nnz] float64 uniform in (0, 1) at the entries of a batch; mesh: which of all rows and columns it has."""
    key = torch.randint(2**62, (), generator=generator, device=generator.device)
    rows = mesh.rows.rank + mesh.rows.size * torch.arange(batch.n_rows, device=batch.device)  # in the whole batch
    columns = mesh.columns.rank + mesh.columns.size * batch.indices.long()  # of all
    hashed = _mix(_mix(key + _STEP * (rows + 1))[batch.rows()] + _STEP * (columns + 1))
    uniform: torch.Tensor = (_shifted(hashed, 64 - _BITS) + 0.5) * 2.0**-_BITS
    return uniform


def _mix(bits: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser of int64 of any shape."""
    for shift, multiplier in _MULTIPLIERS:
        bits = (bits ^ _shifted(bits, shift)) * multiplier
    return bits ^ _shifted(bits, 31)


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    """bits >> by, as of unsigned integers."""
    shifted: torch.Tensor = (bits >> by) & (2 ** (64 - by) - 1)
    return shifted
