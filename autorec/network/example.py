"""What one step learns from: inputs, which may be corrupted, and targets."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from autorec.network.batch import Batch
from autorec.network.code import Draw, drawn_by
from autorec.network.shard import WHOLE_MESH, Mesh


@dataclass(frozen=True, eq=False)
class Example:
    """n rows to learn from, on the scale inside the network.

    inputs   what the encoder reads, each a batch [n × m]; corruption changes these alone
    targets  what each head is to give, by the name of the head, each a batch [n × m]
    offset   [n] of each row, added before the output activation; zeros for none
    share    n / N, the part of all N rows in this example; penalties on weights are multiplied by it, so that an epoch
             counts them once
    earlier  [n × 2K] mean and log variance of each row's code in the last epoch, for a prior that holds on to it; None
             where there is no such prior
    identity [n × N] a one in each row, in the column of its number among all N rows, for an encoder with a vector
             of each; None for rows without one
    mesh     which rows of a batch, and which columns, are in this process; all, where one trains alone
    of_rows  rows of the whole batch, over which losses are means and whose part of all rows is `share`; None where they
             are all here
    """

    inputs: tuple[Batch, ...]
    targets: dict[str, Batch]
    offset: torch.Tensor
    share: float = 1.0
    earlier: torch.Tensor | None = None
    identity: Batch | None = None
    mesh: Mesh = WHOLE_MESH
    of_rows: int | None = None

    @property
    def n_rows(self) -> int:
        return len(self.offset)

    @property
    def batch_rows(self) -> int:
        """Of the whole batch."""
        return self.n_rows if self.of_rows is None else self.of_rows

    @property
    def own_share(self) -> float:
        """The part of all N rows that is here."""
        return self.share * self.n_rows / max(self.batch_rows, 1)

    def draw(self, generator: torch.Generator) -> Draw:
        """Numbers for its rows, which are those that one process draws for them in the whole batch."""
        return drawn_by(generator, self.batch_rows, self.mesh.rows.own)

    def to(self, device: torch.device) -> "Example":
        """On another device; a batch that is input and target stays one."""
        if device == self.offset.device:
            return self
        moved = {id(batch): batch.to(device) for batch in (*self.inputs, *self.targets.values())}
        inputs = tuple(moved[id(batch)] for batch in self.inputs)
        targets = {name: moved[id(batch)] for name, batch in self.targets.items()}
        earlier = None if self.earlier is None else self.earlier.to(device)
        identity = None if self.identity is None else self.identity.to(device)
        moved_to: dict[str, Any] = {"inputs": inputs, "targets": targets, "earlier": earlier, "identity": identity}
        return replace(self, offset=self.offset.to(device), **moved_to)
