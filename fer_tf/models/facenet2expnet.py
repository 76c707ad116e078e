"""FaceNet2ExpNet (Ding et al. 2017), and document [1]'s combination of it with region attention."""

import keras
from keras import layers

from ..common.checks import check_choice, check_whole
from .parts import check_side, classifier, conv_norm, norm, scaled
from .ran import REGION_FEATURES, attend, over_regions

EXPRESSION_NET = "expression_net"
READINGS = {"combined": "relation", "strongest": "strongest"}


def expression_net(input_shape, filters=(64, 128, 256, 512, 512), depth=512, width=1.0):
    """The convolutional part that stage 1 trains to give the face net's last feature map.

    Five 3×3 convolutions, each with ReLU and max-pooling, and a 1×1 convolution that matches the face net's depth
    (Ding et al. 2017, §3.1). Two differences: batch norm after each convolution, and the last has no pooling, so that a
    48 px picture keeps a map of 3×3. 4.2 M parameters and 152 M multiply-adds at 48 px, a tenth of both at
    width 0.3.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        filters: channels of the convolutions.
        depth: channels of the map, those of the face net's.
        width: scales the filters, not the depth.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → g float [N, H/16, W/16, depth].
    """
    check_side("facenet2expnet", input_shape, len(filters) - 1)
    check_whole("depth", depth, low=1)
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(inputs)
    for block, channels in enumerate(scaled(filters, width), start=1):
        x = layers.ReLU(name=f"conv{block}_relu")(conv_norm(x, channels, f"conv{block}"))
        if block < len(filters):
            x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.Conv2D(depth, 1, name="match")(x)
    return keras.Model(inputs, x, name=EXPRESSION_NET)


def facenet2expnet(input_shape, num_classes, depth=512, dense=256, dropout=0.5, width=1.0):
    """FaceNet2ExpNet's expression net with its head of stage 2: one dense layer of 256, scores (Ding et al. 2017).

    The face net is not a part of it: training matches the nested model `expression_net` to a face net's map first
    (`fer_tf.training.matching`), then trains all of it.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        num_classes: C.
        depth: channels of the matched map.
        dense: units of the dense layer.
        dropout: share dropped before the scores, 0..1.
        width: scales the convolutions and the dense layer.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    inputs = keras.Input(input_shape, name="image")
    x = expression_net(input_shape, depth=depth, width=width)(inputs)
    x = _dense(layers.Flatten(name="flatten")(x), dense, width)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="facenet2expnet")


def ran_facenet2expnet(
    input_shape,
    num_classes,
    reading="combined",
    crops="fixed6",
    normalise="sigmoid",
    margin=0.02,
    bias_weight=1.0,
    depth=512,
    dense=256,
    dropout=0.5,
    width=1.0,
):
    """Document [1]'s "My_model": region attention over FaceNet2ExpNet's features.

    The expression net gives each region's map, flattened and dense as in stage 2, these are the F_i.

    Args:
        reading: "combined" weighs all regions by both attention modules; "strongest" is the document's pseudocode
            read literally: the crop with the highest weight alone is what the classifier is given.
        crops, normalise, margin, bias_weight: see `fer_tf.models.ran.ran`.
        others: see `facenet2expnet`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    attention = READINGS[check_choice("reading", reading, READINGS)]
    inputs = keras.Input(input_shape, name="image")
    maps = keras.Input(input_shape, name="region")
    x = expression_net(input_shape, depth=depth, width=width)(maps)
    features = keras.Model(maps, _dense(layers.Flatten(name="flatten")(x), dense, width), name=REGION_FEATURES)
    x = over_regions(inputs, features, crops, attention)
    x = attend(x, attention, normalise, margin, bias_weight)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="ran_facenet2expnet")


def _dense(x, units, width):
    # matched maps are large and one-sided: without a norm before it the dense layer dies in stage 2's first epoch
    x = norm("map_norm")(x)
    return layers.Dense(scaled((units,), width)[0], activation="relu", name="dense")(x)
