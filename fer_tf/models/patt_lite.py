"""PAtt-Lite (Ngwe et al. 2023): the first blocks of MobileNet, a patch block, and attention over the patches."""

import keras
from keras import layers

from ..common.checks import InputError, check_whole
from ..layers import BackboneInput, PatchAttention
from .backbones import BACKBONE, load_backbone
from .parts import classifier, norm, penalty, scaled
from .transfer import head_first

# The end of MobileNet's ninth block: a sixteenth of the picture's side.
LAST = "conv_pw_9_relu"
# From this side on, the patch block leaves a grid of 2×2.
SMALLEST = 144
PATCH_CHANNELS = 256


@head_first
def patt_lite(
    input_shape: tuple[int, int, int],
    num_classes: int,
    weights: str | None = None,
    resolution: int = 0,
    dense: int = 32,
    dropout: float = 0.1,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """MobileNet up to its ninth block, a patch block, a dense layer, attention over the patches, scores.

    Document [2] names it as future work. The patch block makes a grid of 2×2 patches from the map: a separable 4×4
    convolution with stride 4, a separable 2×2 with stride 2 and a 1×1, each with ReLU. At the paper's 224 px, the model
    has 1.4 M parameters and 390 M multiply-adds; at 144 px, 160 M.

    The paper's public notebook averages the patches of each picture first. Its attention layer then gets [batch, 32],
    so it attends over the *pictures of a batch*: an answer depends on which other pictures are predicted with it. If a
    batch holds pictures of one class only, the label leaks. Here each picture attends over its own patches, which are
    averaged afterwards. So an answer depends on its picture alone. The notebook also cuts MobileNet inside the ninth
    block, after its depthwise convolution. Here it is cut after the whole block.

    Args:
        input_shape: (height, width, 1 or 3).
        num_classes: C.
        weights: of MobileNet: None, "imagenet", "drawn" or a file; see `transfer_model`.
        resolution: side in pixels that the model resizes pictures to, at least 144; 0 keeps their own side, or takes
            144 if they are smaller.
        dense: units of the dense layer, which is applied to each patch.
        dropout, l2: see `transfer_model`.
        width: scales all filters and the dense layer; must be 1 with pretrained weights, a quarter with drawn ones.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes]. It contains the nested model
        `backbone`.
    Raises: `InputError` for an option that is not allowed, `MissingDataError` if the weights cannot be found.
    """
    side = check_whole("resolution", resolution, low=0) or max(*input_shape[:2], SMALLEST)
    if side < SMALLEST:
        raise InputError(f"resolution: patt_lite needs sides of at least {SMALLEST} pixels; received {side}")
    channels, units = scaled((PATCH_CHANNELS, dense), width)
    inputs = keras.Input(input_shape, name="image")
    x = BackboneInput(side, "tf", name="backbone_input")(inputs)
    x = _first_blocks(side, weights, width)(x)
    for size in (4, 2):
        patch = {"strides": size, "padding": "same", "activation": "relu", "name": f"patch_conv{size}"}
        x = layers.SeparableConv2D(channels, size, **patch)(x)
    x = layers.Conv2D(channels, 1, activation="relu", name="patch_conv1")(x)
    x = layers.Reshape((-1, channels), name="patches")(x)  # [N, P, channels]: attention is along P
    x = layers.Dense(units, activation="relu", kernel_regularizer=penalty(l2), name="dense")(x)
    x = norm("dense_norm")(x)
    x = PatchAttention(name="attention")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout, l2), name="patt_lite")


def _first_blocks(side, weights, width):
    """MobileNet up to `LAST` as the nested model `backbone`."""
    whole = load_backbone("MobileNet", side, weights, width)
    return keras.Model(whole.inputs[0], whole.get_layer(LAST).output, name=BACKBONE)
