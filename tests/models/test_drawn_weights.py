"""Weights for the drawn world: they are loaded where they fit, and a changed file is refused."""

import shutil

import numpy as np
import pytest

from fer_tf.common.checks import InputError, MissingDataError, ModelFileError
from fer_tf.common.paths import project_root
from fer_tf.models import build_model, drawn_weights
from fer_tf.models.backbones import find_backbone
from fer_tf.models.features import feature_extractor

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.mark.parametrize("name", ["vgg16", "mobilenet"])
def test_drawn_weights_are_in_the_backbone(name):
    model = build_model(name, (48, 48, 1), 7, weights="drawn", width=0.25, resolution=48)
    again = build_model(name, (48, 48, 1), 8, weights="drawn", width=0.25, resolution=32)
    random = build_model(name, (48, 48, 1), 7, width=0.25)
    first, second, other = (find_backbone(each).get_weights()[0] for each in (model, again, random))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="width: drawn weights are for width 0.25; received 0.5"):
        build_model("vgg16", weights="drawn", width=0.5)
    with pytest.raises(InputError, match="do not fit features, which takes 48 px"):
        feature_extractor("cnn", (64, 64, 1), "features", 0.25, weights="drawn")
    with pytest.raises(MissingDataError, match="no drawn weights for ResNet50 in .*available: MobileNet, VGG16, cnn"):
        build_model("akhand", weights="drawn", backbone="ResNet50", width=0.25)


def test_a_changed_file_is_refused(backbones_home):
    shipped = project_root() / "models" / "bundled" / "backbones"
    for kind in ("json", "weights.h5"):
        shutil.copy(shipped / f"cnn.{kind}", backbones_home / "models" / "bundled" / "backbones")
    path = drawn_weights.drawn_file("cnn")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ModelFileError, match=r"is not the file that cnn.json describes .*git checkout"):
        drawn_weights.drawn_file("cnn")
