"""The trained models that ship in models/bundled/, with a check that they are the files that were measured.

Each `<name>.h5` has a record `<name>.json` next to it. `fer_tf.runs.bundle` writes the record; nobody edits it by hand.
"""

import json
from pathlib import Path

from ..common.checks import ModelFileError
from ..common.paths import bundled_root
from ..common.shipped import check_shipped

# The model that `predict`, `explain` and the demo use if none is given.
DEFAULT = "ferplus.h5"


def bundled_records() -> list[dict]:
    """The records of the bundled models, sorted by file name; see `fer_tf.runs.bundle.bundle_run`."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(bundled_root().glob("*.json"))]


def bundled_record(name: str) -> dict | None:
    """The record of the bundled model with this file name, such as "ferplus.h5", or None."""
    path = (bundled_root() / name).with_suffix(".json") if name and Path(name).name == name else None
    record = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    return record if record.get("file") == name else None


def bundled_path(name: str = DEFAULT) -> Path:
    """The path of a bundled model by its file name. Its checksum is verified first.

    Raises: `ModelFileError` if the file is missing, or is not the file that was measured.
    """
    path = bundled_root() / name
    record = path.with_suffix(".json")
    if not path.is_file() or not record.is_file():
        present = [entry["file"] for entry in bundled_records() if (bundled_root() / entry["file"]).is_file()]
        known = ", ".join(present) or "none"
        raise ModelFileError(
            f"model: no bundled {name} in {path.parent} (available: {known}); give the path of a trained model "
            "(`fer-tf train cnn` makes one)"
        )
    check_shipped(path, record)
    return path


def model_name(path: str | Path) -> str:
    """The name under which the results of a model file are stored: its stem, or "bundled-<stem>" for a bundled model.

    The prefix is needed because one of your own runs may write a file of the same name (`models/FaceNet2ExpNet.h5`).
    """
    path = Path(path)
    return f"bundled-{path.stem}" if path.resolve().parent == bundled_root().resolve() else path.stem
