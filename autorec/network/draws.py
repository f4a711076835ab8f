"""Random numbers of the entries of a batch, the same ones however rows and columns are spread over processes.

A step draws one key from the generator; the number of an entry is a hash of the key, its row in the batch and its
column (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014). So no process draws for the entries of others.
"""

import torch

from autorec.network.batch import Batch
from autorec.network.shard import Mesh

_STEP = 0x9E3779B97F4A7C15 - 2**64  # int64 wraps as uint64 does
_MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_BITS = 53  # of the fraction of a float64


def draw_uniform(batch: Batch, mesh: Mesh, generator: torch.Generator) -> torch.Tensor:
    """[nnz] float64 uniform in (0, 1) at the entries of a batch; mesh: which of all rows and columns it has."""
    key = torch.randint(2**62, (), generator=generator, device=generator.device)
    rows = mesh.rows.rank + mesh.rows.size * torch.arange(batch.n_rows, device=batch.device)  # in the whole batch
    columns = mesh.columns.rank + mesh.columns.size * batch.indices.long()  # of all
    hashed = _mix(_mix(key + _STEP * (rows + 1))[batch.rows()] + _STEP * (columns + 1))
    uniform: torch.Tensor = (_shifted(hashed, 64 - _BITS) + 0.5) * 2.0**-_BITS
    return uniform


def _mix(bits: torch.Tensor) -> torch.Tensor:
    """int64 of any shape → as well mixed ones."""
    for shift, multiplier in _MULTIPLIERS:
        bits = (bits ^ _shifted(bits, shift)) * multiplier
    return bits ^ _shifted(bits, 31)


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    """To the right as unsigned numbers."""
    shifted: torch.Tensor = (bits >> by) & (2 ** (64 - by) - 1)
    return shifted
