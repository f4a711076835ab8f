"""Sixty-four neighbours of an array at once: which of them pass a test, as the bits of one number.

The one step that Numba makes of no loop. Loops that look for few among many (the largest scores of a row, the ends of
fields in a text) then walk over the bits that are set and pass by all others. Each function is a few instructions of
LLVM, which knows how to make them for any processor; nothing checks that start + 64 (or 8) elements are there.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

WIDTH = 64

_LONG = ir.IntType(64)


@intrinsic
def above(_: Any, values: Any, start: Any, bound: Any) -> Any:
    """Bit j: values[start + j] > bound. values [n] float32 or int16, contiguous; start uint64."""
    return _checked(values, types.float32, types.int16)(values, start, bound), _comparing(">")


@intrinsic
def reaching(_: Any, values: Any, start: Any, bound: Any) -> Any:
    """Bit j: values[start + j] ≥ bound. values [n] float32 or int16, contiguous; start uint64."""
    return _checked(values, types.float32, types.int16)(values, start, bound), _comparing(">=")


@intrinsic
def no_digits(_: Any, text: Any, start: Any) -> Any:
    """Bit j: text[start + j] is none of 0 … 9. text [n] uint8, contiguous; start uint64."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        letters = _vector(context, builder, signature.args[0], given[0], given[1], ir.IntType(8))
        from_zero = builder.sub(letters, ir.Constant(letters.type, [ord("0")] * WIDTH))
        return builder.bitcast(builder.icmp_unsigned(">", from_zero, ir.Constant(letters.type, [9] * WIDTH)), _LONG)

    return _checked(text, types.uint8)(text, start), code


@intrinsic
def equal(_: Any, text: Any, start: Any, letter: Any) -> Any:
    """Bit j: text[start + j] = letter. text [n] uint8, contiguous; start uint64, letter uint8."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        letters = _vector(context, builder, signature.args[0], given[0], given[1], ir.IntType(8))
        wanted = context.cast(builder, given[2], signature.args[2], types.uint8)
        return builder.bitcast(builder.icmp_unsigned("==", letters, _everywhere(builder, wanted)), _LONG)

    return _checked(text, types.uint8)(text, start, letter), code


@intrinsic
def eight(_: Any, text: Any, start: Any) -> Any:
    """text[start : start + 8] as one number, the first letter lowest. text [n] uint8, contiguous; start uint64."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = builder.gep(context.make_array(signature.args[0])(context, builder, given[0]).data, [given[1]])
        return builder.load(builder.bitcast(place, _LONG.as_pointer()), align=1)

    return _checked(text, types.uint8)(text, start), code


@intrinsic
def count(_: Any, mask: Any) -> Any:
    """How many bits are set. mask uint64."""
    return types.uint64(mask), lambda context, builder, signature, given: builder.ctpop(given[0])


@intrinsic
def lowest(_: Any, mask: Any) -> Any:
    """The lowest bit that is set; 64 for 0. mask uint64."""
    defined = ir.Constant(ir.IntType(1), 0)
    return types.uint64(mask), lambda context, builder, signature, given: builder.cttz(given[0], defined)


def _checked(array: Any, *kinds: Any) -> Any:
    """The type of a mask; TypingError, while compiling, where the elements are of another kind or not side by side."""
    if not (isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C" and array.dtype in kinds):
        raise TypingError(f"a mask of {array}; give a contiguous array of {' or '.join(map(str, kinds))}")
    return types.uint64


def _comparing(sign: str) -> Callable[..., Any]:
    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = signature.args[0].dtype
        floats = kind == types.float32
        values = _vector(
            context, builder, signature.args[0], given[0], given[1], ir.FloatType() if floats else ir.IntType(16)
        )
        bounds = _everywhere(builder, context.cast(builder, given[2], signature.args[2], kind))
        compare = builder.fcmp_ordered if floats else builder.icmp_signed
        return builder.bitcast(compare(sign, values, bounds), _LONG)

    return code


def _everywhere(builder: Any, value: Any) -> Any:
    """One value 64 times."""
    nothing = ir.Constant(ir.VectorType(value.type, WIDTH), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _vector(context: Any, builder: Any, kind: Any, array: Any, start: Any, element: Any) -> Any:
    """array[start : start + 64] as one value."""
    place = builder.gep(context.make_array(kind)(context, builder, array).data, [start])
    align = 4 if isinstance(element, ir.FloatType) else element.width // 8
    return builder.load(builder.bitcast(place, ir.VectorType(element, WIDTH).as_pointer()), align=align)
