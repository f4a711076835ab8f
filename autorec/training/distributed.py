"""A training in several processes at once, each with some of the columns, and of the rows of a batch; see
`autorec.network.shard`.

Whoever starts the processes makes torch.distributed's default group (`autorec.group`); a fit in it is one of all its
processes: each is given the same ratings and the same seed, draws the same batches, and ends with the rows of the large
weights that are its own. Process 0 puts them together.
"""

import contextlib
from collections.abc import Iterable, Iterator

import torch.distributed as dist

from autorec import group
from autorec.errors import ParameterError
from autorec.network.autoencoder import Autoencoder
from autorec.network.shard import WHOLE, WHOLE_MESH, Mesh, Shard

_OF_BATCH = ("kl_sparsity", "mmd", "sliced")  # penalties that are no sum over rows


@contextlib.contextmanager
def meshed() -> Iterator[Mesh]:
    """Within the block, this process' place among those of the default group, as `group.mesh` says; without a group
    everything is its own. Process r is the (r mod S)-th of group r // S, so that neighbours share the codes."""
    rank, size = group.place()
    n_groups, n_shares = group.shape()
    if n_groups == 1:
        yield Mesh(columns=Shard(rank, size)) if size > 1 else WHOLE_MESH
        return
    ranks = [list(range(first, first + n_shares)) for first in range(0, size, n_shares)]
    of_columns, _ = dist.new_subgroups_by_enumeration(ranks)
    of_rows, _ = dist.new_subgroups_by_enumeration([list(same) for same in zip(*ranks, strict=True)])
    row_rank, column_rank = divmod(rank, n_shares)
    group.wait()  # all are connected: one that leaves at once, by an error, closes its connections
    try:
        yield Mesh(Shard(row_rank, n_groups, of_rows), Shard(column_rank, n_shares, of_columns))
    finally:
        for one in (of_columns, of_rows):
            dist.destroy_process_group(one)


def check_mesh(mesh: Mesh, n_columns: int, penalties: Iterable[str]) -> None:
    """ParameterError: there are fewer columns than processes to share them; or groups with some of the rows each
    cannot compute one of the penalties, given by name."""
    if mesh.columns.size > n_columns:
        raise ParameterError(f"{mesh.columns.size} processes cannot share {n_columns} columns; start fewer")
    of_batch = [name for name in penalties if name in _OF_BATCH]
    if of_batch and mesh.rows.size > 1:
        raise ParameterError(
            f"penalty {of_batch[0]} compares the rows of a batch, which {mesh.rows.size} groups have apart: use mesh "
            f"1x{mesh.size}"
        )


def gather(network: Autoencoder, n_columns: int, mesh: Mesh) -> None:
    """Make the network of process 0 that of all n_columns, in place; others keep their rows of the large weights."""
    if mesh.columns.size == 1 or mesh.rows.rank:
        return
    for parameter in network.of_columns():
        full = mesh.columns.gather(parameter, n_columns)
        if full is not None:
            parameter.data = full
    if mesh.columns.rank == 0:
        network.encoder.shard = WHOLE
        for name in network.heads:
            network.head(name).shard = WHOLE
