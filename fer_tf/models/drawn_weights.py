"""Weights for the drawn world (`weights="drawn"`): networks that `fer-tf pretrain` trained on drawn people.

They ship in models/bundled/backbones/. The networks have a quarter of their width, so that the files are small.
"""

from pathlib import Path

import keras

from ..common.checks import InputError, MissingDataError
from ..common.paths import models_root, project_root
from ..common.shipped import check_shipped

WIDTH = 0.25


def backbones_root() -> Path:
    """The folder of these weights: bundled/backbones/ in `models_root()`, else in the project's models/."""
    own = models_root() / "bundled" / "backbones"
    return own if own.is_dir() else project_root() / "models" / "bundled" / "backbones"


def drawn_names() -> list[str]:
    """The networks that have weights for the drawn world, sorted."""
    return sorted(path.stem for path in backbones_root().glob("*.json"))


def drawn_file(name: str) -> Path:
    """The weights file of a network, after its checksum was verified.

    Args:
        name: of the network, such as "VGG16".
    Raises: `MissingDataError` if no weights ship for it, `ModelFileError` if the file is not the one that was measured.
    """
    path = backbones_root() / f"{name}.weights.h5"
    record = path.with_name(f"{name}.json")
    if not path.is_file() or not record.is_file():
        raise MissingDataError(
            f"weights: no drawn weights for {name} in {path.parent} (available: {', '.join(drawn_names()) or 'none'}); "
            f"`fer-tf pretrain {name}` trains them, weights=none does without"
        )
    check_shipped(path, record)
    return path


def load_drawn(model: keras.Model, name: str, width: float = WIDTH) -> None:
    """Loads the drawn weights of a network into it.

    Args:
        model: the network without its classifier.
        name: of the network.
        width: that the model was built with; only `WIDTH` fits.
    Raises: `InputError` if the weights do not fit; `MissingDataError` and `ModelFileError` as `drawn_file` does.
    """
    path = drawn_file(name)
    if width != WIDTH:
        raise InputError(f"width: drawn weights are for width {WIDTH}; received {width} (or use weights=none)")
    try:
        model.load_weights(path)
    except (ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"weights: the drawn weights do not fit {model.name}, which takes 48 px ({reason})") from None
