"""The models that ship, and the check that they are those that were measured."""

import json
import zipfile

from fer_tf.common.hashes import file_fingerprint
from fer_tf.runs.bundle import LIMITS
from fer_tf.saving import load_model, model_info
from fer_tf.saving.bundled import bundled_path, bundled_records


def test_the_shipped_files_are_those_of_their_records(monkeypatch):
    monkeypatch.delenv("FER_TF_MODELS")
    records = bundled_records()
    assert records
    for record in records:
        path = bundled_path(record["file"])
        assert file_fingerprint(path) == record["sha256"]
        assert path.stat().st_size <= LIMITS[path.suffix][0]
        assert record["class_names"] == description(path)["class_names"]


def description(path):
    """What a file says about itself; LiteRT, which runs a `.tflite` file, may not be installed."""
    if path.suffix == ".h5":
        return model_info(load_model(path))
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("fer_tf.json"))
