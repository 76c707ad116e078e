"""What is said about a model: its data, its measured accuracy, and what was declared."""

from fer_tf.common.files import write_json
from fer_tf.emotions import EMOTIONS
from fer_tf.runs.about_model import model_lines
from fer_tf.saving import describe, load_model

CLASSES = list(EMOTIONS[:7])


def test_lines_tell_data_and_measured_accuracy(fresh_home, tiny_model_path):
    model = load_model(tiny_model_path)
    assert "not recorded" in " ".join(model_lines(model))
    about = {"run": "cnn-fer2013-official-seed9", "fingerprint": "f", "dataset": "fer2013", "protocol": "official"}
    model.fer_tf_info = describe(model, CLASSES, about)
    assert "test accuracy is not recorded" in " ".join(model_lines(model))
    record = fresh_home / "reports/runs/cnn-fer2013-official-seed9"
    write_json(record / "record.json", {"fingerprint": "f"})
    write_json(record / "metrics.json", {"fingerprint": "f", "test": {"n": 3589, "accuracy": 0.6154}})
    text = " ".join(model_lines(model))
    assert "cnn-fer2013-official-seed9" in text
    assert "fer2013 (official)" in text
    assert "3,589 test images: 61.5 %" in text
    model.fer_tf_info = describe(model, CLASSES, {**about, "fingerprint": "another"})
    assert "61.5" not in " ".join(model_lines(model)), "the record is of another training"
    model.fer_tf_info = describe(model, CLASSES, {"dataset": "synthetic"})
    assert "real ones is worth nothing" in " ".join(model_lines(model))


def test_lines_tell_what_was_declared(tiny_model_path):
    model = load_model(tiny_model_path)
    model.fer_tf_info = describe(model, CLASSES, {"declared": {"pixels": "-1..1", "channels": "gray", "guess": True}})
    text = " ".join(model_lines(model))
    assert "Declared by the user: pixels -1..1 (a guess: check it against the model's training), channels gray" in text
