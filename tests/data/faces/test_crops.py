"""Crops of the faces in pictures."""

import cv2
import numpy as np
import pytest
from fixtures import black, paste

from fer_tf.common.checks import InputError
from fer_tf.data.faces import crop_faces, detect_faces
from fer_tf.data.images import read_image
from fer_tf.predict import sample_path

REAL = ("haar", "mtcnn")


# both


def test_select_and_missing(spots):
    two, empty = black(400, 500, 3, (10, 10, 40, 40), (100, 100, 80, 80)), black(400, 500, 3)
    first, none = crop_faces([two, empty], 40, "spots", margin=0)
    assert [crop.face.box for crop in first] == [(100, 100, 80, 80)]
    assert first[0].detected
    np.testing.assert_array_equal(first[0].image, np.full((40, 40, 3), 255))
    assert [crop.detected for crop in none] == [False]
    every, none = crop_faces([two, empty], 32, "spots", select="all", missing="skip")
    assert [crop.face.box for crop in every] == [(100, 100, 80, 80), (10, 10, 40, 40)]
    assert none == []
    with pytest.raises(InputError, match="spots finds no face in number 1, 3$"):
        crop_faces([two, empty, two, empty], 32, "spots", missing="error")


def test_whole_pictures_are_squeezed_as_ready_crops_are(rng):
    picture = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    ((crop,),) = crop_faces([picture], 30, "none", missing="error")
    np.testing.assert_array_equal(crop.image, cv2.resize(picture, (30, 30), interpolation=cv2.INTER_AREA))
    assert not crop.detected


@pytest.mark.parametrize(("degrees", "zoom"), [(20, 1.0), (-20, 0.6), (12, 1.3)])
def test_a_turned_and_resized_copy_of_a_face_comes_out_nearly_the_same(degrees, zoom):
    """The astronaut, registered by MTCNN's points; cut out by the box alone, the copies differ."""
    picture = read_image(sample_path(), channels=3)
    turn = cv2.getRotationMatrix2D((225, 120), degrees, zoom)
    copy = cv2.warpAffine(picture, turn, (512, 512), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)

    def difference(align):
        ((first,), (second,)) = crop_faces([picture, copy], 48, "mtcnn", margin=0, align=align)
        return np.abs(first.image.astype(int) - second.image).mean()

    assert difference("landmarks") < 10
    assert difference("landmarks") < 0.3 * difference("none")
    assert difference("landmarks") < difference("eyes"), "the boxes differ more than the points"


@pytest.mark.parametrize("detector", ["haar", "none"])
def test_landmarks_need_a_detector_that_finds_them(detector):
    message = f"align: landmarks needs a detector .*: mtcnn or yunet; received detector {detector}"
    with pytest.raises(InputError, match=message):
        crop_faces([black(60, 60)], 48, detector, align="landmarks")


@pytest.mark.parametrize("detector", REAL)
def test_turned_faces_come_out_level(detector, people):
    """A drawn face turned by 15°: found, and its eyes are level in the crop (found there again)."""
    canvas = paste(np.full((300, 300, 1), 128, np.uint8), people[2], 70, 70, 160)
    turn = cv2.getRotationMatrix2D((150, 150), -15, 1)
    turned = cv2.warpAffine(canvas, turn, (300, 300), borderValue=128)[..., None]
    ((crop,),) = crop_faces([turned], 160, detector)
    assert crop.face.roll == pytest.approx(15, abs=6)
    ((again,),) = detect_faces([crop.image], detector)
    assert abs(again.roll) < 5
