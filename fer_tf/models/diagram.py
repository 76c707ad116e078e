"""A block diagram of a model, drawn from the model itself: what each block computes, and the shapes between them."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import keras
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .. import plots

# Layers that need a shorter name, or none; others are written as their class.
_NAMES = {
    "Activation": "",
    "BatchNormalization": "batch norm",
    "GlobalAveragePooling2D": "mean over the map",
    "InputLayer": "",
    "MaxPooling2D": "max-pooling",
    "ReLU": "ReLU",
    "PReLU": "PReLU",
    "SqueezeExcite": "squeeze-and-excitation",
    "ZeroPadding2D": "",
}
_LINE_HEIGHT, _GAP, _WIDTH, _SIDE = 0.2, 0.34, 2.3, 2.0  # inches


@dataclass
class Block:
    """Layers of a model that follow each other on maps of one size.

    Attributes:
        layers: Counter, what the layers of the main path do -> how many there are.
        side: the same for layers of parallel paths: a residual block's two, or what finds a transformer's window.
        shape: of the output without the batch, such as (24, 24, 64).
        parameters: number of weights of all its layers.
    """

    shape: tuple[int | None, ...]
    layers: Counter = field(default_factory=Counter)
    side: Counter = field(default_factory=Counter)
    parameters: int = 0

    def add(self, layer: keras.Layer, is_side: bool) -> None:
        """Counts one layer."""
        counter = self.side if is_side else self.layers
        counter.update(filter(None, [layer_words(layer)]))
        self.parameters += layer.count_params() if layer.built else 0


def model_blocks(model: keras.Model) -> list[Block]:
    """The blocks of a model from its input to its output.

    A block ends where the size of the maps changes. Nested models are taken apart. A layer is on the main path if all
    paths from input to output pass through it.

    Args:
        model: a functional or sequential Keras model with one input and one output.
    Returns: list of `Block`; the first has no layers, its shape is that of the images.
    """
    blocks = [Block(_shape(model.inputs[0]))]
    waiting = []
    for layer, is_main in _flat(model):
        if not is_main:
            waiting.append(layer)
            continue
        shape = _shape(layer.output)
        is_input = len(blocks) == 2 and not blocks[1].parameters and _size(blocks[1].shape) == _size(blocks[0].shape)
        if len(blocks) == 1 or (_size(shape) != _size(blocks[-1].shape) and not is_input):
            blocks.append(Block(shape))
        block = blocks[-1]
        block.shape = shape
        for beside in waiting:
            block.add(beside, is_side=True)
        waiting = []
        block.add(layer, is_side=False)
    return [blocks[0], *(block for block in blocks[1:] if block.layers or block.side)]


def _flat(model) -> Iterator[tuple[keras.Layer, bool]]:
    """(layer, whether it is on the main path) of a model and the models nested on its main path."""
    operations = [item for item in model.operations if not isinstance(item, keras.layers.InputLayer)]
    position = {id(operation): number for number, operation in enumerate(operations)}
    reach = 0  # how far the connections from earlier layers go; the operations are in topological order
    for number, operation in enumerate(operations):
        is_main = reach <= number
        nested = isinstance(operation, keras.Model) and hasattr(operation, "operations")
        if is_main and nested:
            yield from _flat(operation)
        else:
            yield operation, is_main
        targets = [position.get(id(node.operation), 0) for node in operation._outbound_nodes]
        reach = max([reach, *targets])


def _shape(tensor):
    tensor = tensor[0] if isinstance(tensor, list | tuple) else tensor
    return tuple(tensor.shape[1:])


def _size(shape):
    """What must stay for a layer to belong to the block before it: height and width, or the number of axes."""
    return shape[:-1] if len(shape) > 1 else len(shape)


def layer_words(layer: keras.Layer) -> str:
    """What a layer does, in the diagram's words: "conv 3×3", "dense", "batch norm"; "" for what is left out."""
    layer_type = type(layer).__name__
    if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
        rows, columns = layer.kernel_size
        depthwise = "depthwise " if isinstance(layer, keras.layers.DepthwiseConv2D) else ""
        return f"{depthwise}conv {rows}×{columns}"
    if isinstance(layer, keras.layers.AveragePooling2D) and layer.pool_size == (1, 1):  # see `parts.conv_norm`
        return "subsampling"
    if layer_type == "Activation":
        name = getattr(layer.activation, "__name__", "")
        return "" if name == "linear" else name
    return _NAMES.get(layer_type, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[123]D$", "", layer_type)).lower())


@plots.styled
def block_diagram(models: dict[str, keras.Model]) -> Figure:
    """Draws models next to each other, each as a column of boxes with the shapes on the arrows.

    Args:
        models: dict title -> model.
    Returns: figure.
    """
    columns = {title: model_blocks(model) for title, model in models.items()}
    heights = {
        title: sum(_height(block) + _GAP for block in blocks[1:]) + 2 * _GAP for title, blocks in columns.items()
    }
    widths = [_WIDTH + 0.3 + (_SIDE if any(block.side for block in blocks) else 0) for blocks in columns.values()]
    height = max(heights.values()) + 0.4
    figure = Figure(figsize=(sum(widths), height))
    figure.set_layout_engine("none")
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, sum(widths)), ylim=(-height, 0))
    axis.set_axis_off()
    left = 0.15
    for (title, blocks), model, width in zip(columns.items(), models.values(), widths, strict=True):
        axis.text(
            left + _WIDTH / 2,
            -0.2,
            f"{title} · {_count(model.count_params())}",
            ha="center",
            va="center",
            weight="bold",
        )
        _draw_column(axis, blocks, left, -0.4)
        left += width
    return figure


def _lines(counter):
    return [f"{number} × {words}" if number > 1 else words for words, number in counter.items()]


def _height(block):
    return _LINE_HEIGHT * (max(len(block.layers), len(block.side)) + 1) + 0.1


def _count(number):
    """A number of weights for people: "1.2 M weights"."""
    if number >= 1e6:
        return f"{number / 1e6:.1f} M weights"
    return f"{number / 1e3:.0f} k weights" if number >= 1e4 else f"{number:,} weights"


def _draw_column(axis, blocks, left, top):
    """Draws the boxes of one model from top to bottom."""
    middle = left + _WIDTH / 2
    for block, before in zip(blocks[1:], blocks[:-1], strict=True):
        _arrow(axis, middle, top, top - _GAP, before.shape)
        top -= _GAP
        height = _height(block)
        color = plots.PALETTE[0] if len(block.shape) > 1 else plots.PALETTE[1]
        lines = [*_lines(block.layers), _count(block.parameters) if block.parameters else ""]
        _box(axis, left, top, _WIDTH, height, lines, color)
        if block.side:
            _box(
                axis,
                left + _WIDTH + 0.2,
                top,
                _SIDE - 0.2,
                height,
                ["parallel paths:", *_lines(block.side)],
                plots.PALETTE[7],
            )
            axis.plot([left + _WIDTH, left + _WIDTH + 0.2], [top - height / 2] * 2, color="0.4", lw=1)
        top -= height
    _arrow(axis, middle, top, top - _GAP, blocks[-1].shape)


def _box(axis, left, top, width, height, lines, color):
    shape = FancyBboxPatch((left, top - height), width, height, boxstyle="round,pad=0,rounding_size=0.06")
    shape.set(facecolor=(*color, 0.15), edgecolor=color)
    axis.add_patch(shape)
    axis.text(left + width / 2, top - height / 2, "\n".join(filter(None, lines)), ha="center", va="center", fontsize=8)


def _arrow(axis, x, start, end, shape):
    axis.annotate(
        "", (x, end), (x, start), arrowprops={"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    )
    text = "×".join("?" if side is None else str(side) for side in shape)
    axis.text(x + 0.08, (start + end) / 2, text, fontsize=8, va="center", color="0.3")
