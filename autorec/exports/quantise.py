"""Arrays as few bytes: whole numbers times steps, deflated.

Vectors X [n × m] that are multiplied by others of the second moment G [m × m] err by √(e G eᵀ) where they err by e, so
they are rounded where that is even: with X √G = U S Vᵀ it is X ≈ A · Cᵀ, A = U S rounded to one step, C = G^−½ V to
finer ones. Directions that are smaller than a step vanish.

The vectors X [n × m] of a ridge regression are multiplied by each other alone, and X Q says the same for any rotation
Q. With the V of X = U S Vᵀ no C is needed. A row is rounded the finer the more often its item counts.

The matrix of EASE is B_ij = −M_ij √(d_i / d_j), i ≠ j, with M symmetric and d = diag(P): one triangle of M
says all. An entry counts by how often i is in a history and j near the end of a list, and is rounded to a step of one
over the root of that.

Both are written in strips of items by popularity: the size of the numbers follows it, and deflate, which takes new
Huffman codes every some thousand symbols, has codes that fit. A whole number 0, −1, 1, −2, … → f = 0, 1, 2, 3, … is a
symbol and s bits: f below 16 is its own symbol, any other 8 · s + its highest 4 bits, and the s bits below these are
written as they are, after all symbols.
"""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autorec.array_types import Float32, FloatArray, IntArray

STRIP = 64  # items that are written together; model.js knows it too
_FINER = 8  # steps of C for one of A: a number of A moves a whole row, one of C a whole column


class Rounded(NamedTuple):
    """parts: arrays of whole numbers or float32; facts: JSON-ready, what a reader needs; array: what it will read."""

    parts: list[npt.NDArray[Any]]
    facts: dict[str, Any]
    array: FloatArray


Rounder = Callable[[float], Rounded]  # of a step


def keep_floats(array: FloatArray) -> Rounder:
    """float32, all its bits, whatever the step."""
    exact = np.ascontiguousarray(array, dtype=np.float32)
    return lambda _: Rounded([exact], {"form": "floats", "shape": list(array.shape)}, exact)


def round_vectors(X: FloatArray, G: FloatArray) -> Rounder:
    """X [n × m], G [m × m]; step: of what the products with X err by, about 0.3 of it for each direction."""
    values, basis = np.linalg.eigh(G)
    root = np.sqrt(np.maximum(values, values.max(initial=0) * 1e-12 + 1e-30))
    U, s, Vt = np.linalg.svd((X.astype(np.float64) @ basis) * root, full_matrices=False)
    back = (Vt / root) @ basis.T

    def to_step(step: float) -> Rounded:
        A = np.rint(U * s / step)
        largest = np.abs(A).max(axis=0, initial=0)
        kept = largest > 0
        A, C = A[:, kept], back[kept].T * step
        steps = (np.abs(C).max(axis=0, initial=0) / (_FINER * largest[kept])).astype(np.float32)
        C = np.rint(C / steps)
        facts = {"form": "vectors", "shape": list(X.shape), "rank": int(kept.sum())}
        return Rounded([_whole(A.T), _whole(C.T), steps], facts, (A @ (C * steps).T).astype(np.float32))

    return to_step


def round_turned(X: FloatArray, G: FloatArray, counts: FloatArray, order: IntArray) -> Rounder:
    """X [n × m] up to a rotation, G [m × m]; counts [n]: how much each row counts, order [n]: the rows as they are
    written; step: of what the products of a row that counts 1 err by."""
    U, s, Vt = np.linalg.svd(X.astype(np.float64), full_matrices=False)
    columns, left = np.sqrt(np.maximum(((Vt @ G) * Vt).sum(axis=1), 0)), _coarse(1 / np.sqrt(counts))
    exact = U * s * columns / left[:, None]

    def to_step(step: float) -> Rounded:
        A = np.rint(exact / step)
        kept = np.abs(A).max(axis=0, initial=0) > 0
        A, right = A[:, kept], (step / columns[kept]).astype(np.float32)
        strips = [A[order[first : first + STRIP]].T.ravel() for first in range(0, len(A), STRIP)]
        facts, found = {"form": "turned", "shape": list(A.shape)}, (A * right * left[:, None]).astype(np.float32)
        return Rounded([_whole(np.concatenate(strips)), left, right], facts, found)

    return to_step


def round_ease(B: FloatArray, d: FloatArray, chosen: FloatArray, listed: FloatArray, order: IntArray) -> Rounder:
    """B [n × n], d [n] diag(P); chosen [n]: share of the histories that hold each item; listed [n]: of the lists near
    whose end it is; order [n]: the items as they are written; step: of an entry that is in every history and list."""
    root = np.sqrt(d).astype(np.float32)
    u, v = _coarse(chosen * d), _coarse(listed / d)
    first, second = np.triu_indices(len(d), 1)
    by_strip = np.argsort(first // STRIP * len(d) + second, kind="stable")
    row, column = order[first[by_strip]], order[second[by_strip]]
    weight = np.sqrt(u[row] * v[column] + u[column] * v[row])
    exact = -B[row, column] * root[column] / root[row] * weight

    def to_step(step: float) -> Rounded:
        q = np.rint(exact / step)
        M = -step * q / weight
        array = np.zeros(B.shape, dtype=np.float32)
        array[row, column] = M * root[row] / root[column]
        array[column, row] = M * root[column] / root[row]
        facts = {"form": "ease", "shape": list(B.shape), "step": step}
        return Rounded([_whole(q), root, u, v], facts, array)

    return to_step


def deflate(array: npt.NDArray[Any]) -> bytes:
    """float32, or of whole numbers all symbols and then all bits."""
    if array.dtype.kind == "f":
        return zlib.compress(array.astype("<f4").tobytes(), 9)
    q = array.ravel()
    folded = np.where(q < 0, -2 * q - 1, 2 * q)
    left = np.maximum(np.frexp(folded.astype(np.float64))[1] - 4, 0)  # s, bits that the symbol leaves
    symbols = ((left << 3) + (folded >> left)).astype(np.uint8)
    to_come = np.repeat(np.cumsum(left), left) - np.arange(left.sum()) - 1  # of each bit, how many of its number follow
    bits = np.repeat(folded, left) >> to_come & 1
    packer = zlib.compressobj(9, strategy=zlib.Z_RLE)
    return packer.compress(symbols.tobytes() + np.packbits(bits.astype(np.uint8)).tobytes()) + packer.flush()


def _whole(numbers: FloatArray) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(numbers).astype(np.int64)


def _coarse(numbers: FloatArray) -> Float32:
    """The 16 high bits of each float32, which is enough of a number that says how finely others are rounded."""
    return (numbers.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
