"""Sixty-four at once against one by one."""

import numba
import numpy as np
import pytest

from autorec import masks


@numba.njit
def of_scores(values, start, bound):
    return masks.above(values, start, bound), masks.reaching(values, start, bound)


@numba.njit
def of_letters(text, start, letter):
    return masks.equal(text, start, letter), masks.no_digits(text, start), masks.eight(text, start)


@numba.njit
def of_mask(mask):
    return masks.count(mask), masks.lowest(mask)


def bits(flags: np.ndarray) -> int:
    return sum(1 << int(place) for place in np.flatnonzero(flags))


@pytest.mark.parametrize("start", [0, 1, 17])
def test_masks_of_scores(start: int) -> None:
    values = np.random.default_rng(0).integers(-3, 4, 100).astype(np.float32)
    values[[3, 20, 40, 60]] = np.nan, -np.inf, np.inf, -0.0
    for bound in (np.float32(0), np.float32(2), np.float32(-np.inf)):
        part = values[start : start + 64]
        assert of_scores(values, np.uint64(start), bound) == (bits(part > bound), bits(part >= bound))


@pytest.mark.parametrize("start", [0, 1, 17])
def test_masks_of_keys(start: int) -> None:
    keys = np.random.default_rng(0).integers(-(2**15), 2**15, 100).astype(np.int16)
    part = keys[start : start + 64]
    for bound in (part[5], np.int16(-(2**15)), np.int16(2**15 - 1)):
        assert of_scores(keys, np.uint64(start), bound) == (bits(part > bound), bits(part >= bound))


@pytest.mark.parametrize("start", [0, 1, 33])
def test_masks_of_letters(start: int) -> None:
    text = np.random.default_rng(1).permutation(np.arange(256, dtype=np.uint8))[:100]
    text[10:40] = np.frombuffer(b"0123456789,:.\n\r" * 2, dtype=np.uint8)
    part = text[start : start + 64]
    found = of_letters(text, np.uint64(start), np.uint8(ord(",")))
    digits = (part >= ord("0")) & (part <= ord("9"))
    assert found == (bits(part == ord(",")), bits(~digits), int.from_bytes(part[:8].tobytes(), "little"))


def test_bits_of_a_mask() -> None:
    for mask in (0, 1, 0b1100, 2**63, 2**64 - 1):
        lowest = (mask & -mask).bit_length() - 1 if mask else 64
        assert of_mask(np.uint64(mask)) == (mask.bit_count(), lowest)


def test_what_does_not_lie_side_by_side_is_refused() -> None:
    for values in (np.zeros(200, dtype=np.float32)[::2], np.zeros(100)):
        with pytest.raises(numba.TypingError, match="give a contiguous array of float32"):
            of_scores(values, np.uint64(0), np.float32(0))
