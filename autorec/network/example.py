"""What one step learns from: inputs, which may be corrupted, and targets."""

from dataclasses import dataclass

import torch

from autorec.network.batch import Batch


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
    identity [n × N] a one in each row, in the column that is its place among all N rows, for an encoder with a vector
             of each; None for rows without one
    """

    inputs: tuple[Batch, ...]
    targets: dict[str, Batch]
    offset: torch.Tensor
    share: float = 1.0
    earlier: torch.Tensor | None = None
    identity: Batch | None = None

    @property
    def n_rows(self) -> int:
        return len(self.offset)

    def to(self, device: torch.device) -> "Example":
        """On another device; a batch that is input and target stays one."""
        if device == self.offset.device:
            return self
        moved = {id(batch): batch.to(device) for batch in (*self.inputs, *self.targets.values())}
        inputs = tuple(moved[id(batch)] for batch in self.inputs)
        targets = {name: moved[id(batch)] for name, batch in self.targets.items()}
        earlier = None if self.earlier is None else self.earlier.to(device)
        identity = None if self.identity is None else self.identity.to(device)
        return Example(inputs, targets, self.offset.to(device), self.share, earlier, identity)
