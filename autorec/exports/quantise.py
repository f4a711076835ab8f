"""Arrays as few bytes: whole numbers times steps, deflated.

Vectors X [n × m] that are multiplied by others of the second moment G [m × m] err by √(e G eᵀ) where they err by e, so
they are rounded where that is even: with X √G = U S Vᵀ it is X ≈ A · Cᵀ, A = U S rounded to one step, C = G^−½ V to
finer ones. Directions that are smaller than a step vanish.

The matrix of EASE is B_ij = −M_ij √(d_i / d_j), i ≠ j, with M symmetric and d = diag(P): one triangle of M
says all. An entry counts by how often i is in a history and j near the end of a list, and is rounded to a step of one
over the root of that.

Whole numbers are written as 0, −1, 1, −2, … → 0, 1, 2, 3, …, first the low byte of each, then the next: all but one
byte of most numbers are 0, which deflate makes nothing of.
"""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autorec.array_types import FloatArray

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


def round_ease(B: FloatArray, d: FloatArray, chosen: FloatArray, listed: FloatArray) -> Rounder:
    """B [n × n], d [n] diag(P); chosen [n]: share of the histories that hold each item; listed [n]: of the lists near
    whose end it is; step: of an entry that is in every history and list."""
    left, right = (np.sqrt(d).astype(np.float32), (1 / np.sqrt(d)).astype(np.float32))
    u, v = (chosen * d).astype(np.float32), (listed / d).astype(np.float32)
    row, column = np.triu_indices(len(d), 1)
    weight = np.sqrt(u[row] * v[column] + u[column] * v[row])
    exact = -B[row, column] / (left[row] * right[column]) * weight

    def to_step(step: float) -> Rounded:
        q = np.rint(exact / step)
        M = -step * q / weight
        array = np.zeros(B.shape, dtype=np.float32)
        array[row, column] = M * left[row] * right[column]
        array[column, row] = M * left[column] * right[row]
        facts = {"form": "ease", "shape": list(B.shape), "step": step}
        return Rounded([_whole(q), left, right, u, v], facts, array)

    return to_step


def deflate(array: npt.NDArray[Any]) -> bytes:
    """Whole numbers, the low byte of each first, or float32."""
    if array.dtype.kind == "f":
        return zlib.compress(array.astype("<f4").tobytes(), 9)
    q = array.ravel()
    folded = np.where(q < 0, -2 * q - 1, 2 * q)
    size = max(1, -(-int(folded.max(initial=0)).bit_length() // 8))  # bytes of a number
    return zlib.compress(b"".join((folded >> 8 * k).astype(np.uint8).tobytes() for k in range(size)), 9)


def _whole(numbers: FloatArray) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(numbers).astype(np.int64)
