"""FaceNet2ExpNet (Ding et al. 2017), and its combination with region attention from document [1]."""

import keras
from keras import layers

from ..common.checks import check_choice, check_whole
from .parts import check_side, classifier, conv_norm, norm, scaled
from .ran import REGION_FEATURES, attend, over_regions

EXPRESSION_NET = "expression_net"
READINGS = {"combined": "relation", "strongest": "strongest"}


def expression_net(
    input_shape: tuple[int, int, int],
    filters: tuple[int, ...] = (64, 128, 256, 512, 512),
    depth: int = 512,
    width: float = 1.0,
) -> keras.Model:
    """The convolutional part. Stage 1 trains it to reproduce the last feature map of the face net.

    It has five 3×3 convolutions, each with ReLU and max-pooling. A 1×1 convolution then gives the map the depth of the
    face net (Ding et al. 2017, §3.1). We differ from the paper in two points: batch norm follows each convolution, and
    the last one has no pooling, so a 48 px picture keeps a map of 3×3. At 48 px it has 4.2 M parameters and 152 M
    multiply-adds, and a tenth of both at width 0.3.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        filters: channels of the convolutions.
        depth: channels of the map; as many as the face net's map has.
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


def facenet2expnet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    depth: int = 512,
    dense: int = 256,
    dropout: float = 0.5,
    width: float = 1.0,
    pooled: bool = False,
) -> keras.Model:
    """The expression net of FaceNet2ExpNet with the head of stage 2: a dense layer and scores (Ding et al. 2017).

    The face net is not part of this model. Stage 1 of the training matches the nested model `expression_net` to the
    map of a face net (`fer_tf.training.matching`); stage 2 trains the whole model.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        num_classes: C.
        depth: channels of the matched map.
        dense: units of the dense layer.
        dropout: share of features dropped before the scores, 0..1.
        width: scales the convolutions and the dense layer.
        pooled: average the map over its positions before the dense layer, which then takes pictures of all sizes;
            False flattens the map, as in the paper.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    inputs = keras.Input(input_shape, name="image")
    x = expression_net(input_shape, depth=depth, width=width)(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x) if pooled else layers.Flatten(name="flatten")(x)
    x = _dense(x, dense, width)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="facenet2expnet")


def ran_facenet2expnet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    reading: str = "combined",
    crops: str = "fixed6",
    normalise: str = "sigmoid",
    margin: float = 0.02,
    bias_weight: float = 1.0,
    depth: int = 512,
    dense: int = 256,
    dropout: float = 0.5,
    width: float = 1.0,
) -> keras.Model:
    """ "My_model" of document [1]: region attention over the features of FaceNet2ExpNet.

    The expression net computes a map of each region. The map is flattened and goes through a dense layer, as in
    stage 2. The results are the features F_i of the regions.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        num_classes: C.
        reading: "combined" weights all regions with both attention modules. "strongest" follows the document's
            pseudocode literally: the classifier gets only the crop with the highest weight.
        crops, normalise, margin, bias_weight: see `fer_tf.models.ran.ran`.
        depth, dense, dropout, width: see `facenet2expnet`.
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
    # maps have large values of mostly one sign: without a norm the dense layer dies in the first epoch of stage 2
    x = norm("map_norm")(x)
    return layers.Dense(scaled((units,), width)[0], activation="relu", name="dense")(x)
