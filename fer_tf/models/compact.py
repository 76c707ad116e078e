"""A small residual net that trains fast on a CPU."""

import keras
from keras import layers

from ..common.checks import check_choice
from .parts import check_side, classifier, conv_norm, scaled

# Filters of the four stages. Both nets need less than 5 MB in half precision; "even" has more filters on large maps.
SHAPES = {"tapered": (48, 96, 192, 224), "even": (64, 128, 192, 192)}


def compact(
    input_shape: tuple[int, int, int],
    num_classes: int,
    shape: str = "tapered",
    dropout: float = 0.3,
    width: float = 1.0,
) -> keras.Model:
    """Four stages of one 3×3 convolution and one residual pair, then global average and scores.

    The first three stages pool after their convolution, so the pairs see a 48 px picture at 24, 12 and 6 px. The net
    has no depthwise convolutions: they need fewer multiply-adds, but train several times slower on a CPU.
    "tapered" has 2.4 M parameters and 167 M multiply-adds at 48 px; "even" has 2.3 M and 219 M. Because of the global
    average before the scores, its class activation maps are exact.

    Args:
        input_shape: (height, width, channels), sides at least 8.
        num_classes: C.
        shape: "tapered" or "even", see `SHAPES`.
        dropout: share of features dropped before the scores, 0..1.
        width: scales all filters.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("compact", input_shape, 3)
    filters = scaled(SHAPES[check_choice("shape", shape, SHAPES)], width)
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(inputs)
    for stage, channels in enumerate(filters, start=1):
        x = layers.ReLU(name=f"stage{stage}_relu")(conv_norm(x, channels, f"stage{stage}_conv"))
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x) if stage < len(filters) else x
        x = _pair(x, channels, f"stage{stage}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="compact")


def _pair(x, channels, name):
    """Two 3×3 convolutions with a shortcut around them (He et al. 2016)."""
    y = layers.ReLU(name=f"{name}_pair_relu1")(conv_norm(x, channels, f"{name}_pair1"))
    y = conv_norm(y, channels, f"{name}_pair2")
    return layers.ReLU(name=f"{name}_pair_relu2")(layers.Add(name=f"{name}_sum")([x, y]))
