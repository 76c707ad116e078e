"""The trained models that ship in models/bundled/: which there are, and that they are the files that were measured.

Beside each `<name>.h5` lies `<name>.json`, its record, written by `fer_tf.runs.bundle` and never by hand.
"""

import hashlib
import json
from pathlib import Path

from ..common.checks import ModelFileError
from ..common.paths import bundled_root

# What `predict`, `explain` and the demo take where no model is named.
DEFAULT = "fer2013.h5"


def bundled_records():
    """The records of the bundled models, a list of dicts by file name; see `fer_tf.runs.bundle.bundle_run`."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(bundled_root().glob("*.json"))]


def bundled_path(name=DEFAULT):
    """The file of a bundled model, after a look at its checksum.

    Args:
        name: its file name.
    Raises: `ModelFileError` if it is not there, or not the file that was measured.
    """
    path = bundled_root() / name
    record = path.with_suffix(".json")
    if not path.is_file() or not record.is_file():
        known = ", ".join(each["file"] for each in bundled_records()) or "none"
        raise ModelFileError(
            f"model: no bundled {name} in {path.parent} (there: {known}); give the path of a trained "
            "one (`fer-tf train cnn` makes one)"
        )
    if sha256(path) != json.loads(record.read_text(encoding="utf-8"))["sha256"]:
        raise ModelFileError(
            f"{path}: is not the file that {record.name} tells of (its SHA-256 differs); "
            f"`git checkout {path.name}` in {path.parent} brings it back"
        )
    return path


def model_name(path):
    """What results of a model file are filed under: its stem, of one that ships "bundled-<stem>", as a run of your own
    may write a file of the same name (`models/FaceNet2ExpNet.h5`)."""
    path = Path(path)
    return f"bundled-{path.stem}" if path.resolve().parent == bundled_root().resolve() else path.stem


def sha256(path):
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
