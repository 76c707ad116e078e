"""Writes a chain of convolutions as an ONNX file in memory, because OpenCV loads networks only from such files.

The package `onnx` would do it, too, but it is optional here. The form is Protocol Buffers: each field is its number,
the length of its content, and its content. The numbers are those of `onnx.proto` (ONNX, IR version 8, operators 13).
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

_FLOAT, _INTS = 1, 7  # the codes of these types in onnx.proto


class Layer(NamedTuple):
    """A convolution without padding, with stride 1, and what follows it.

    Attributes:
        weights: float [out, in, height, width].
        bias: float [out].
        slopes: float [out] of a PReLU; None for no activation.
        pool: side in pixels of a max pooling with stride 2; 0 for none.
        padding: pixels that the pooling adds on the right and below.
    """

    weights: np.ndarray
    bias: np.ndarray
    slopes: np.ndarray | None = None
    pool: int = 0
    padding: int = 0


def opencv_network(side: int, layers: Sequence[Layer]) -> cv2.dnn.Net:
    """Makes an OpenCV network: float [N, in, H, W] → [N, out, H', W'].

    Args:
        side: H and W of the first call, in pixels. Later calls may have other sizes.
        layers: the layers, in order.
    """
    name, nodes, weights = "input", b"", b""
    for number, layer in enumerate(layers):
        weights += _field(5, _tensor(f"weights{number}", layer.weights)) + _field(
            5, _tensor(f"bias{number}", layer.bias)
        )
        sizes = {"kernel_shape": layer.weights.shape[2:], "strides": (1, 1), "pads": (0, 0, 0, 0)}
        nodes += _node("Conv", [name, f"weights{number}", f"bias{number}"], name := f"conv{number}", sizes)
        if layer.slopes is not None:
            weights += _field(5, _tensor(f"slopes{number}", layer.slopes.reshape(-1, 1, 1)))
            nodes += _node("PRelu", [name, f"slopes{number}"], name := f"prelu{number}", {})
        if layer.pool:
            sizes = {"kernel_shape": (layer.pool,) * 2, "strides": (2, 2), "pads": (0, 0, layer.padding, layer.padding)}
            nodes += _node("MaxPool", [name], name := f"pool{number}", sizes)
    begin = _value("input", (1, layers[0].weights.shape[1], side, side))
    end = _value(name, (1, len(layers[-1].bias), 1, 1))
    graph = nodes + _field(2, "network") + weights + _field(11, begin) + _field(12, end)
    model = _field(1, 8) + _field(8, _field(1, "") + _field(2, 13)) + _field(7, graph)
    return cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))


def _node(kind, inputs, output, sizes):
    attributes = [_field(1, name) + _fields(8, values) + _field(20, _INTS) for name, values in sizes.items()]
    names = _fields(1, inputs) + _field(2, output) + _field(3, output) + _field(4, kind)
    return _field(1, names + _fields(5, attributes))


def _tensor(name, values):
    content = np.ascontiguousarray(values, "<f4").tobytes()
    return _fields(1, values.shape) + _field(2, _FLOAT) + _field(8, name) + _field(9, content)


def _value(name, shape):
    """What ONNX calls a value's information: its name and its type, a tensor of float of this shape."""
    sides = _field(2, _fields(1, [_field(1, side) for side in shape]))
    return _field(1, name) + _field(2, _field(1, _field(1, _FLOAT) + sides))


def _fields(number, values):
    return b"".join(_field(number, value) for value in values)


def _field(number, value):
    """A field of Protocol Buffers; its key says whether a whole number or a length with content follows."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    """A whole number in groups of seven bits, the lowest first; all bytes but the last have the eighth bit set."""
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
