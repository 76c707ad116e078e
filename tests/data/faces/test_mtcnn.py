"""MTCNN by OpenCV: it finds what its package finds, without TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data.faces import detect_faces, mtcnn
from fer_tf.data.images import read_image
from fer_tf.predict import sample_path

BLACK = np.zeros((99, 99, 1), np.uint8)


def test_mtcnn_not_installed(monkeypatch, fresh):
    mtcnn._weights.cache_clear()
    monkeypatch.setattr(mtcnn, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="detector mtcnn: .*pip install mtcnn.*or choose detector 'haar'"):
        detect_faces([BLACK], "mtcnn")


def test_mtcnn_needs_neither_tensorflow_nor_keras():
    """So finding faces starts at once, and works with every backend and runtime."""
    code = (
        "import sys, numpy as np\n"
        "from fer_tf.data.faces import detect_faces\n"
        "assert detect_faces([np.zeros((99, 99, 1), np.uint8)], 'mtcnn') == [[]]\n"
        "assert not {'tensorflow', 'keras', 'mtcnn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mtcnn_finds_what_its_package_finds():
    from mtcnn import MTCNN

    picture = read_image(sample_path(), channels=3)
    row = MTCNN().detect_faces([picture], box_format="xyxy", output_type="numpy", fit_to_image=False)[0]
    [[face]] = detect_faces([picture], "mtcnn")
    x, y, w, h = face.box
    np.testing.assert_allclose([x, y, x + w, y + h], row[1:5], atol=2)
    np.testing.assert_allclose(np.transpose(list(face.points.values())), row[6:16].reshape(2, 5), atol=1)
    assert face.score == pytest.approx(row[5], abs=1e-3)
