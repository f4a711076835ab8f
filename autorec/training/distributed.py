"""A training in several processes at once, each with some of the columns; see `autorec.network.shard`.

Whoever starts the processes makes torch.distributed's default group (`autorec.group`); a fit in it is one of all its
processes: each is given the same ratings and the same seed, draws the same batches, and ends with the rows of the large
weights that are its own. Process 0 puts them together.
"""

from autorec import group
from autorec.network.autoencoder import Autoencoder
from autorec.network.shard import WHOLE, Shard


def current_shard() -> Shard:
    """This process' share of the columns, without a group all."""
    return Shard(*group.place())


def gather(network: Autoencoder, n_columns: int) -> None:
    """Make the network of process 0 that of all n_columns, in place; others keep their rows of the large weights."""
    shard = network.encoder.shard
    if shard.size == 1:
        return
    for parameter in network.of_columns():
        full = shard.gather(parameter, n_columns)
        if full is not None:
            parameter.data = full
    if shard.rank == 0:
        network.encoder.shard = WHOLE
        for name in network.heads:
            network.head(name).shard = WHOLE
