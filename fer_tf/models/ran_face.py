"""Region attention over a face network (document [1]; Wang et al. 2020 start from face-recognition weights, too)."""

from typing import Any

import keras

from .face_transfer import face_transfer
from .parts import classifier
from .ran import REGION_FEATURES, attend, over_regions


def ran_face(
    input_shape: tuple[int, int, int],
    num_classes: int,
    face_net: Any = None,
    frozen_until: str = "",
    resolution: int = 0,
    crops: str = "fixed6",
    attention: str = "relation",
    normalise: str = "sigmoid",
    margin: float = 0.02,
    bias_weight: float = 1.0,
    dropout: float = 0.4,
    width: float = 1.0,
) -> keras.Model:
    """`ran` whose backbone is a face-recognition network, as in the experiments of Wang et al. (2020, §IV).

    The face network is cut and fine-tuned as in `face_transfer`: its lower part is frozen, with its batch normalisation
    folded, and the rest learns expressions. The whole face and its crops share it. Its map is averaged to the features
    F_i of a region.

    Args:
        input_shape: (height, width, 1 or 3).
        num_classes: C.
        face_net, frozen_until, resolution, width: see `face_transfer`; each region is resized to `resolution`.
        crops, attention, normalise, margin, bias_weight: see `fer_tf.models.ran.ran`; attention "none" is
            `face_transfer` without regions.
        dropout: share of features dropped before the scores, 0..1.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    Raises: `InputError` as `face_transfer` and `ran` do.
    """
    whole = face_transfer(input_shape, num_classes, face_net, frozen_until, resolution, 0.0, width)
    features = keras.Model(whole.input, whole.get_layer("pool").output, name=REGION_FEATURES)
    inputs = keras.Input(input_shape, name="image")
    x = over_regions(inputs, features, crops, attention)
    x = attend(x, attention, normalise, margin, bias_weight)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="ran_face")
