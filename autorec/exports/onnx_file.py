"""A formula as an ONNX graph: a history in, the scores of all items out, for any runtime of ONNX.

Inputs `items` int64 [n], indices of the rated items, and `ratings` float [n], n ≥ 1, on the scale of the training;
output `scores` float [items]. The metadata of the file hold the raw id of each index, the scale, and what wrote it. A
ridge regression, for which ONNX has no operator, is solved inside the graph by conjugate gradients in float64, until
the residual is 1e-9 of what it was at first.
"""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec import __version__
from autorec.errors import AutoRecError
from autorec.exports.formula import Formula

FLOAT, DOUBLE = 1, 11  # ONNX's numbers of these types
OPSET, IR_VERSION = 17, 8  # of 2022: runtimes in phones and browsers lag behind
BYTES_MOST = 2**31 - 2**20  # what protobuf takes
_STEPS_MOST = 10_000  # of conjugate gradients; some ten are needed
_SMALL = 1e-18  # share of the squared residual at which they stop

Array = npt.NDArray[Any]


def make_onnx(formula: Formula, names: dict[str, Any]) -> bytes:
    """The file. names: "ids" and "titles" of the items. AutoRecError: the model is too large for one file."""
    import onnx
    from onnx import TensorProto, helper

    size = sum(array.nbytes for array in formula.arrays.values())
    if size > BYTES_MOST:
        raise AutoRecError(f"the arrays take {size / 2**30:.1f} GiB and an ONNX file holds 2: export a folder instead")
    graph = Graph()
    graph.rename(_scores(graph, *formula), "scores")
    n_items = len(names["ids"])
    inputs = [
        helper.make_tensor_value_info("items", TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info("ratings", TensorProto.FLOAT, ["n"]),
    ]
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [n_items])
    made = helper.make_model(
        helper.make_graph(graph.nodes, "autorec", inputs, [output], graph.constants),
        producer_name="autorec",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    facts = {"item_ids": names["ids"], "scale": formula.facts["scale"], "kind": formula.facts["kind"]}
    helper.set_model_props(made, {name: json.dumps(value) for name, value in facts.items()})
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def start_onnx(file: bytes) -> Any:
    """A function (items [n], ratings [n]) → scores [items], computed by onnxruntime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def score(items: Array, ratings: Array) -> Array:
        given = {"items": np.asarray(items, dtype=np.int64), "ratings": np.asarray(ratings, dtype=np.float32)}
        return np.asarray(session.run(["scores"], given)[0])

    return score


class Graph:
    """Nodes and constants as they are added; a value is known by its name."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix  # of all names: those of the graph around are seen inside it too
        self.known: dict[int, tuple[str, Any]] = {}  # an array is a constant once; kept here, its id stays its own
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """The name of the output of an operator; inputs that are no names become constants."""
        from onnx import helper

        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        made = [f"{self.prefix}{operator}_{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(operator, names, made, **attributes))
        return made[0] if outputs == 1 else made

    def constant(self, value: Any) -> str:
        """The name of an array; a Python float is a float32, an int an int64."""
        from onnx import numpy_helper

        name = f"{self.prefix}constant_{len(self.constants)}"
        if id(value) in self.known:
            return self.known[id(value)][0]
        self.known[id(value)] = name, value
        if type(value) is float:
            value = np.float32(value)
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def rename(self, value: str, name: str) -> None:
        """Give the value that was made last its name outside."""
        self.nodes[-1].output[list(self.nodes[-1].output).index(value)] = name


def _scores(graph: Graph, facts: dict[str, Any], arrays: dict[str, Array]) -> str:
    if facts["kind"] == "joint":
        return _joint(graph, facts, arrays)
    if facts["kind"] == "ridge":
        found = graph.add("Cast", _ridge(graph, facts, arrays), to=FLOAT)
        return _to_scale(graph, facts, found)
    return _to_scale(graph, facts, _network(graph, facts, arrays))


def _joint(graph: Graph, facts: dict[str, Any], arrays: dict[str, Array]) -> str:
    """P(rated) · P(liked | rated) where the first is above 0."""
    parts = {}
    for name in ("choice", "rating"):
        own = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
        parts[name] = _scores(graph, facts[name], own)
    above = graph.add("Sub", parts["rating"], float(facts["liked_above"]))
    error = graph.add("Erf", graph.add("Mul", above, float(1 / facts["spread"] / np.sqrt(2))))
    liked = graph.add("Mul", graph.add("Add", error, 1.0), 0.5)
    both = graph.add("Mul", parts["choice"], liked)
    return str(graph.add("Where", graph.add("Greater", parts["choice"], 0.0), both, parts["choice"]))


def _network(graph: Graph, facts: dict[str, Any], arrays: dict[str, Array]) -> str:
    bias = None
    if facts["values"] == "choices":
        values = graph.add("Cast", graph.add("GreaterOrEqual", "ratings", float(facts["liked_from"])), to=FLOAT)
        if facts["normalised"]:
            count = graph.add("Max", graph.add("ReduceSum", values, keepdims=0), 1.0)
            values = graph.add("Div", values, graph.add("Sqrt", count))
    else:
        values = _inside(graph, facts)
        if facts["damping"] is not None:
            centre = (arrays["centre"] + facts["mean"]).astype(np.float32)
            left = graph.add("Sub", values, graph.add("Gather", centre, "items"))
            weight = graph.add("Add", _count(graph), float(facts["damping"]))
            bias = graph.add("Div", graph.add("ReduceSum", left, keepdims=0), weight)
            values = graph.add("Sub", left, bias) if facts["values"] == "residuals" else values
    x = graph.add("MatMul", values, graph.add("Gather", arrays["input"], "items"))
    if "input_rated" in arrays:
        rated = graph.add("ReduceSum", graph.add("Gather", arrays["input_rated"], "items"), np.array([0]), keepdims=0)
        x = graph.add("Add", x, rated)
    if facts["length"] is not None:
        count = graph.add("Max", _count(graph), 1.0)
        x = graph.add("Mul", x, graph.add("Sqrt", graph.add("Div", float(facts["length"]), count)))
    x = _layers(graph, x, facts["layers"], arrays)
    x = graph.add("MatMul", arrays["items"], x) if "items" in arrays else x
    if "item_bias" in arrays:
        x = graph.add("Add", x, (arrays["item_bias"] + facts["mean"]).astype(np.float32))
    return str(graph.add("Add", x, bias)) if bias else str(x)


def _layers(graph: Graph, x: Any, layers: list[dict[str, Any]], arrays: dict[str, Array]) -> Any:
    before: list[Any] = []  # layers that are normalised, which those after them have added
    for number, layer in enumerate(layers):
        x = graph.add("MatMul", x, arrays[f"layer{number}"]) if f"layer{number}" in arrays else x
        x = graph.add("Add", x, arrays[f"layer{number}_bias"])
        if layer["epsilon"] is None:
            x = _activate(graph, x, layer)
            continue
        x = _activate(graph, graph.add("Sum", x, *before), layer)
        scale, shift = arrays[f"layer{number}_scale"], arrays[f"layer{number}_shift"]
        x = graph.add("LayerNormalization", x, scale, shift, epsilon=layer["epsilon"])
        before.append(x)
    return x


def _activate(graph: Graph, x: str, layer: dict[str, Any]) -> str:
    if layer["activation"] == "swish":
        return str(graph.add("Mul", x, graph.add("Sigmoid", x)))
    names = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "elu": "Elu", "selu": "Selu", "identity": "Identity"}
    x = graph.add(names[layer["activation"]], x)
    return graph.add("Sub", x, float(layer["less"])) if layer["less"] else x


def _ridge(graph: Graph, facts: dict[str, Any], arrays: dict[str, Array]) -> str:
    """[items] float64 scores on 1 … 5, see `autorec.exports.recommend.ridge`: with K = ZZᵀ of the rated items and the
    bias as one more unit of value u, a = (K + u² + strength · I)⁻¹ t gives v = Zᵀa and the bias u² Σ a."""
    bias, unit = arrays["item_bias"] + facts["mean"], facts["unit"]
    t = graph.add("Sub", graph.add("Cast", _inside(graph, facts), to=DOUBLE), graph.add("Gather", bias, "items"))
    Z = graph.add("Cast", graph.add("Gather", arrays["items"], "items"), to=DOUBLE)  # [n × H]
    strength: Any = np.float64(facts["l2"])
    if facts["times_n"]:
        strength = graph.add("Mul", strength, graph.add("Cast", _count(graph), to=DOUBLE))
    if unit is None:  # a free bias: centre, solve, shift back
        mean, centre = graph.add("ReduceMean", t, keepdims=0), graph.add("ReduceMean", Z, axes=[0], keepdims=0)
        t, Z = graph.add("Sub", t, mean), graph.add("Sub", Z, centre)
    K = graph.add("MatMul", Z, graph.add("Transpose", Z, perm=[1, 0]))
    a = _solve(graph, K if unit is None else graph.add("Add", K, np.float64(unit**2)), strength, t)
    v = graph.add("MatMul", a, Z)  # not Zᵀ · a: onnxruntime 1.32 errs in a transposed matrix times a vector
    if unit is None:
        own = graph.add("Sub", mean, graph.add("MatMul", centre, v))
    else:
        own = graph.add("Mul", graph.add("ReduceSum", a, keepdims=0), np.float64(unit**2))
    products = graph.add("MatMul", graph.add("Cast", arrays["items"], to=DOUBLE), v)
    return str(graph.add("Add", graph.add("Add", products, bias), own))


def _solve(graph: Graph, K: str, strength: Any, t: str) -> str:
    """a [n] of (K + strength · I) a = t, by conjugate gradients (Hestenes and Stiefel, 1952) from a = 0."""
    from onnx import TensorProto, helper

    strength = strength if isinstance(strength, str) else graph.constant(strength)
    square = graph.add("MatMul", t, t)
    least = graph.add("Mul", square, np.float64(_SMALL))
    step = Graph("step_")
    q = step.add("Add", step.add("MatMul", K, "p"), step.add("Mul", strength, "p"))
    length = step.add("Div", "rr", step.add("MatMul", "p", q))
    a = step.add("Add", "a", step.add("Mul", length, "p"))
    r = step.add("Sub", "r", step.add("Mul", length, q))
    rr = step.add("MatMul", r, r)
    p = step.add("Add", r, step.add("Mul", step.add("Div", rr, "rr"), "p"))
    more = step.add("Greater", rr, least)

    def values(names: list[str]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in names]

    counted = helper.make_tensor_value_info("step", TensorProto.INT64, [])
    given, left = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("going", more))
    inputs = [counted, given, *values(["a", "r", "p", "rr"])]
    body = helper.make_graph(step.nodes, "conjugate_gradient", inputs, [left, *values([a, r, p, rr])], step.constants)
    start = graph.add("Mul", t, np.float64(0))
    going = graph.add("Greater", square, np.float64(0))
    found = graph.add("Loop", _STEPS_MOST, going, start, t, t, square, outputs=4, body=body)
    return str(found[0])


def _count(graph: Graph) -> str:
    """n as a float."""
    return str(graph.add("Cast", graph.add("Size", "items"), to=FLOAT))


def _inside(graph: Graph, facts: dict[str, Any]) -> str:
    """The ratings on 1 … 5."""
    low, high = facts["scale"]
    return str(graph.add("Add", graph.add("Mul", graph.add("Sub", "ratings", low), 4 / (high - low)), 1.0))


def _to_scale(graph: Graph, facts: dict[str, Any], scores: str) -> str:
    low, high = facts["scale"]
    if not facts["rates"]:
        return scores
    return str(graph.add("Add", graph.add("Mul", graph.add("Sub", scores, 1.0), (high - low) / 4), low))
