"""A small model with a second output, untrained."""

import keras

from fer_tf.common.inference import Whole
from fer_tf.emotions import EMOTIONS, VALENCE_AROUSAL
from fer_tf.models import build_model
from fer_tf.models.second_output import with_second_output
from fer_tf.saving import save_model


def classifier_with(second=VALENCE_AROUSAL, shape=(48, 48, 1), classes=7):
    """A classifier that is a part of a model with a second output."""
    keras.utils.set_random_seed(0)
    model = build_model("cnn", shape, classes, width=0.1)
    return Whole(with_second_output(model, second), second).belongs_to(model)


def save_with(path, second=VALENCE_AROUSAL, classes=7):
    """Writes such a model; returns the path."""
    save_model(classifier_with(second, classes=classes), path, EMOTIONS[:classes])
    return path
