"""A small residual net that a processor trains fast: dense 3×3 convolutions, pooled early, a pooled head."""

import keras
from keras import layers

from ..common.checks import check_choice
from .parts import check_side, classifier, conv_norm, scaled

# Filters of the four stages. Both stay below 5 MB in half precision; "even" spends more on the large maps.
SHAPES = {"tapered": (48, 96, 192, 224), "even": (64, 128, 192, 192)}


def compact(input_shape, num_classes, shape="tapered", dropout=0.3, width=1.0):
    """Four stages, each one 3×3 convolution and one residual pair; the first three are pooled after their first
    convolution, so that a 48 px picture is at 24, 12 and 6 px in the pairs. Global average, scores.

    Depthwise convolutions have fewer multiply-adds but train several times slower on a processor, so there are none.
    2.4 M parameters and 167 M multiply-adds at 48 px ("tapered"), 2.3 M and 219 M ("even"). With its global average
    before the scores it has exact class activation maps.

    Args:
        input_shape: (height, width, channels), sides at least 8.
        num_classes: C.
        shape: "tapered" or "even", see `SHAPES`.
        dropout: share dropped before the scores, 0..1.
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
    """Two 3×3 convolutions around which the input passes (He et al. 2016)."""
    y = layers.ReLU(name=f"{name}_pair_relu1")(conv_norm(x, channels, f"{name}_pair1"))
    y = conv_norm(y, channels, f"{name}_pair2")
    return layers.ReLU(name=f"{name}_pair_relu2")(layers.Add(name=f"{name}_sum")([x, y]))
