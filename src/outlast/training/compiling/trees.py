"""Trees of any library in one form, and that form as an ONNX model in 64 bits, or in 32 where the library has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Rule = Literal["<=", "<", "in"]
_MODES = {"<=": 0, "<": 1, "in": 6}
_OPSET, _IR = 5, 10


@dataclass(frozen=True)
class Split:
    """Where a row goes: left when the rule holds for the feature, and where it is missing, as said."""

    feature: int
    threshold: float
    left: int
    right: int
    missing_left: bool
    rule: Rule = "<="
    members: tuple[float, ...] = ()


@dataclass(frozen=True)
class Leaf:
    value: float


@dataclass(frozen=True)
class Tree:
    """Nodes by number, the first one the root; what it gives is added to one output."""

    nodes: Sequence[Split | Leaf]
    output: int = 0


@dataclass
class _Flat:
    """The lists that ONNX keeps trees as: splits and leaves apart."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    true: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    true_leaf: list[int] = field(default_factory=list)
    false_leaf: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)

    def add(self, tree: Tree) -> None:
        splits = [number for number, node in enumerate(tree.nodes) if isinstance(node, Split)]
        places = {number: len(self.features) + index for index, number in enumerate(splits)}
        self.roots.append(len(self.features))
        for number, node in enumerate(tree.nodes):
            if isinstance(node, Leaf):
                places[number] = len(self.weights)
                self.weights.append(node.value)
                self.outputs.append(tree.output)
        leaves = places.keys() - set(splits)
        if not splits:
            self._split(Split(0, 0.0, 0, 0, missing_left=False), places, leaves)
        for number in splits:
            self._split(tree.nodes[number], places, leaves)  # type: ignore[arg-type]

    def _split(self, node: Split, places: dict[int, int], leaves: set[int]) -> None:
        self.features.append(node.feature)
        self.thresholds.append(node.threshold)
        self.modes.append(_MODES[node.rule])
        self.missing.append(int(node.missing_left))
        self.true.append(places[node.left])
        self.false.append(places[node.right])
        self.true_leaf.append(int(node.left in leaves))
        self.false_leaf.append(int(node.right in leaves))
        if node.rule == "in":
            self.members += [*node.members, float("nan")]


def constants(values: Sequence[float]) -> list[Tree]:
    """What the sums start from, as trees of one leaf: adding it first keeps the order of the additions."""
    return [Tree([Leaf(value)], output) for output, value in enumerate(values)]


def onnx_of(trees: Sequence[Tree], *, width: int, outputs: int, single: bool = False) -> bytes:
    """The trees as an ONNX model from `x`, rows of so many columns, to the sums."""
    from onnx import TensorProto, helper, numpy_helper

    flat = _Flat()
    for tree in trees:
        flat.add(tree)
    dtype = np.float32 if single else np.float64

    def tensor(values: list[float], kind: Any = dtype) -> Any:
        return numpy_helper.from_array(np.array(values, dtype=kind))

    node = helper.make_node(
        "TreeEnsemble", ["x"], ["sums"], domain="ai.onnx.ml", aggregate_function=1, post_transform=0,
        n_targets=outputs, tree_roots=flat.roots, nodes_featureids=flat.features, nodes_splits=tensor(flat.thresholds),
        nodes_modes=tensor(flat.modes, np.uint8), nodes_truenodeids=flat.true,  # type: ignore[arg-type]
        nodes_falsenodeids=flat.false, nodes_trueleafs=flat.true_leaf, nodes_falseleafs=flat.false_leaf,
        nodes_missing_value_tracks_true=flat.missing, leaf_targetids=flat.outputs, leaf_weights=tensor(flat.weights),
        **({"membership_values": tensor(flat.members)} if flat.members else {}),
    )  # fmt: skip
    kind = TensorProto.FLOAT if single else TensorProto.DOUBLE
    inputs = [helper.make_tensor_value_info("x", kind, [None, width])]
    graph = helper.make_graph([node], "trees", inputs, [helper.make_tensor_value_info("sums", kind, [None, outputs])])
    opsets = [helper.make_opsetid("ai.onnx.ml", _OPSET), helper.make_opsetid("", 21)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString(deterministic=True)
    return data
