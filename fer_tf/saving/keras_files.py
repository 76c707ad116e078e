"""Saves and loads models. A saved model holds its class names, input size and pixel range, so nothing guesses them.

`.h5` is the kit's format. Its root attribute `fer_tf` holds a JSON object in addition to Keras's own content.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.checks import InputError, ModelFileError, check_choice
from ..common.files import replacing
from ..common.inference import Whole, whole_of
from ..common.paths import bundled_root, expanded, models_root
from ..emotions import EMOTION_LABELS, EMOTIONS, RESERVED, SECOND_KINDS, SecondOutput, canonical_emotion, class_name
from .broken_h5 import check_heaps
from .declaration import Declaration, check_undescribed, drawn_pictures, undeclared

if TYPE_CHECKING:
    import keras

ATTRIBUTE = "fer_tf"
# Name of the file with the description inside a `.keras` file and inside exported models.
DESCRIPTION = f"{ATTRIBUTE}.json"
PIXEL_RANGE = (0, 255)
SUFFIXES = (".h5", ".keras")
FACENET2EXPNET = "FaceNet2ExpNet.h5"
# The input (height, width, channels) of the pseudocode's model. `preprocess_image` uses it if no model is given.
DEFAULT_SHAPE = (48, 48, 1)
# Drawn faces that a declared model is asked about, to see whether it returns probabilities.
ASKED = 16


def save_model(
    model: keras.Model, path: str | Path, class_names: Sequence[str], provenance: dict | None = None
) -> None:
    """Writes a model with its description, and with its second output. The file appears only when it is complete.

    Args:
        model: `keras.Model` on raw 0..255 pixels.
        path: the file to write, ends in `.h5` or `.keras`.
        class_names: names of the outputs, in order.
        provenance: dict of JSON values (run name, dataset fingerprint, ...).
    Raises: `InputError` for another suffix, or if the names or the provenance do not fit.
    """
    import h5py

    path = Path(path)
    check_choice("suffix of the model file", path.suffix, SUFFIXES)
    description, whole = describe(model, class_names, provenance), whole_of(model)
    stored = model if whole is None else whole.model
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*HDF5 file.*")
        if path.suffix == ".h5":
            save_h5(stored, temporary)
            with h5py.File(temporary, "a") as file:
                file.attrs[ATTRIBUTE] = json.dumps(description)
        else:
            stored.save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(DESCRIPTION, json.dumps(description))


def save_h5(model: keras.Model, path: str | Path) -> None:
    """Writes .h5 without the optimizer, and hides Keras's warning that this format is legacy."""
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        model.save(path, include_optimizer=False)
    finally:
        logging.set_verbosity(level)


def describe(model: keras.Model, class_names: Sequence[str], provenance: dict | None = None) -> dict:
    """The description that is saved with a model: class_names, input_shape, pixel_range, provenance.

    That of a model with a second output also has second_output: the fields of `fer_tf.emotions.SecondOutput`.

    Raises: `InputError` if the number of names is not the number of outputs, or the provenance has a wrong type.
    """
    outputs = int(model.output_shape[-1])
    if len(class_names) != outputs:
        raise InputError(f"class_names: {len(class_names)} names for a model with {outputs} outputs")
    if fault := _provenance_fault(provenance or {}):
        raise InputError(f"provenance: {fault}")
    whole = whole_of(model)
    return {
        "class_names": list(class_names),
        "input_shape": list(model.input_shape[1:]),
        "pixel_range": list(PIXEL_RANGE),
        "provenance": provenance or {},
        **({} if whole is None else {"second_output": whole.second._asdict()}),
    }


def save_facenet2expnet(model: keras.Model, path: str | Path | None = None) -> Path:
    """Writes the proposal's `FaceNet2ExpNet.h5`: eight outputs in [1]'s label order.

    The output of a class that the model was not trained on is always 0. Loading the file warns about such classes.

    Args:
        model: `keras.Model` from `load_model` with known class names; it takes pictures of `DEFAULT_SHAPE`.
        path: the file to write; None for FaceNet2ExpNet.h5 in models/.
    Returns: the path.
    Raises: `InputError` if the model takes pictures of another size.
    """
    if model_shape(model) != DEFAULT_SHAPE:
        raise InputError(f"model: {FACENET2EXPNET} takes {DEFAULT_SHAPE}; this model takes {model_shape(model)}")
    names = [canonical_emotion(name) for name in model_info(model)["class_names"]]
    labels = [canonical_emotion(label) for label in EMOTION_LABELS]
    sources = [names.index(name) if name in names else -1 for name in labels]
    path = Path(path or models_root() / FACENET2EXPNET)
    absent = [label for label, source in zip(EMOTION_LABELS, sources, strict=True) if source < 0]
    provenance = {"absent_classes": absent, **model_info(model).get("provenance", {})}
    if sources != list(range(len(labels))):  # a model that already has this order stays as it is
        import keras

        from ..layers import ClassOrder

        outputs = ClassOrder(sources, name="labels")(model.outputs[0])
        model = keras.Model(model.inputs[0], outputs, name="FaceNet2ExpNet")
    save_model(model, path, EMOTION_LABELS, provenance)
    return path


def find_model(path: str | os.PathLike[str]) -> Path:
    """Finds a model file: `path` as given, else in models/, else in models/bundled/.

    There, the name of a run or of a bundled model finds its file, too, without the suffix.

    Raises: `ModelFileError` with all places if there is no such file.
    """
    path = expanded(path)
    roots = [models_root(), bundled_root()]
    places = [path] if path.is_absolute() else [path, *(root / path for root in roots)]
    is_name = len(path.parts) == 1 and path.suffix not in SUFFIXES
    for place in [*places, *(root / f"{path}.h5" for root in roots if is_name)]:
        if os.path.isfile(place):  # also False for a name that is too long
            return place
    raise ModelFileError(f"no model file {path}; looked at {', '.join(map(str, places))}")


def load_model(path: str | os.PathLike[str], declaration: Declaration | None = None) -> keras.Model:
    """Loads a model for prediction.

    A file that the kit did not make, such as a student's own `model.save`, needs a declaration.

    Args:
        path: `.h5`, `.hdf5` or `.keras`; searched as given, then in models/, then in models/bundled/.
        declaration: the pixels, classes and channels of a file that does not say them; None for a file of the kit.
    Returns: `keras.Model` on raw 0..255 pixels → probabilities [N, C]; `model_info(model)` gives its class names. The
        values of a second output come from `fer_tf.common.inference.predict_both(model, images)`.
    Raises: `ModelFileError` if the file holds no model, its description contradicts the model, or it has none and there
        is no declaration; `InputError` if the declaration does not fit the model, or the file needs none.
    """
    import keras

    from .. import layers  # noqa: F401 (registers the kit's layers)
    from .old_files import read_keras

    path = find_model(path)
    description = read_description(path)
    model = read_keras(path)
    if isinstance(description, dict) and "second_output" in description:
        model = _with_whole(path, model, description)
    sides = [getattr(model, side, None) or [] for side in ("inputs", "outputs")]
    if not isinstance(model, keras.Model) or [len(side) for side in sides] != [1, 1] or len(model.output_shape) != 2:
        raise ModelFileError(f"{path}: does not hold a Keras model with one image input and one output [N, classes]")
    if description is None:
        return declared_model(model, checked_declaration(path, model, declaration), path)
    check_undescribed(path, declaration)
    attach_description(model, path, description)
    return model


def _with_whole(path, model, description):
    """The classifier in a model with a second output, which it notes as its `Whole`."""
    import keras

    names = _checked_second(path, description)
    sides = [getattr(model, side, None) or [] for side in ("inputs", "outputs")]
    if not isinstance(model, keras.Model) or [len(side) for side in sides] != [1, 2]:
        raise ModelFileError(f"{path}: says that it has a second output, but has {len(sides[1])} outputs")
    if tuple(model.outputs[1].shape[1:]) != (len(names),):
        raise ModelFileError(f"{path}: names {len(names)} values, but its second output is {model.outputs[1].shape}")
    second = SecondOutput(**{**description["second_output"], "names": names})
    classifier = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return Whole(model, second).belongs_to(classifier)


def _checked_second(path, description):
    """The names of a second output's values, as a tuple; `ModelFileError` for a description that cannot be right."""
    second = description["second_output"]
    if not isinstance(second, dict) or set(second) != set(SecondOutput._fields):
        raise ModelFileError(f"{path}: its second_output must have {', '.join(SecondOutput._fields)}; it is {second!r}")
    names, taken = second["names"], [*RESERVED, *map(str, description.get("class_names") or [])]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFileError(f"{path}: the names of its second output are not a list of names")
    if not names or len(set(names)) != len(names) or set(names) & set(taken):
        raise ModelFileError(f"{path}: the names of its second output ({', '.join(names)}) cannot be columns of a csv")
    is_number = isinstance(second["present"], int | float) and not isinstance(second["present"], bool)
    if second["kind"] not in SECOND_KINDS or not is_number:
        raise ModelFileError(f"{path}: the kind or threshold of its second output is not known")
    return tuple(names)


def checked_declaration(path: Path, model: Any, declaration: Declaration | None) -> Declaration:
    """The declaration about a file without a description.

    Raises: `ModelFileError` if there is none; it shows the commands to type, if an emotion model can have as many
        outputs.
    """
    if declaration is None:
        _default_names(model.output_shape[-1])
        raise undeclared(path, model.output_shape[-1])
    return declaration


def declared_model(model: keras.Model, declaration: Declaration, path: str | Path | None = None) -> keras.Model:
    """A model on raw 0..255 pixels out of one that wants other pixels.

    Args:
        model: functional or Sequential `keras.Model` that was not made by the kit; it is not changed.
        declaration: what it was trained on.
        path: its file, for messages.
    Returns: a new `keras.Model` with the same weights: a layer that makes the declared pixels, then `model`, then a
        softmax if it returns raw scores; or only its layers if it takes raw pixels as they are read. `model_info` gives
        the declared classes.
    Raises: `InputError` if the declaration does not fit the model, or its outputs on drawn faces are not probabilities
        (with `logits`: if they are), or the model has a description.
    """
    import keras

    if hasattr(model, "fer_tf_info"):
        check_undescribed(f"model {model.name}", declaration)
    shape, names = model_shape(model), declaration.class_names(model.output_shape[-1])
    if (layer := declaration.layer(shape[2])) is None:
        inputs, outputs = model.inputs[0], model.outputs[0]
    else:
        inputs = keras.Input(shape)
        outputs = model(layer(inputs))
    declared = keras.Model(inputs, outputs, name=model.name)
    declaration.check_answers(path or f"model {model.name}", declared.predict_on_batch(drawn_pictures(shape, ASKED)))
    if declaration.logits:
        softmax = keras.layers.Softmax(dtype="float32", name="declared_softmax")
        declared = keras.Model(inputs, softmax(outputs), name=model.name)
    declared.fer_tf_info = describe(declared, names, {"declared": declaration.about(shape[2])})
    return declared


def attach_description(model: Any, path: Path, description: dict) -> None:
    """Checks the description in a model file and makes it the model's `fer_tf_info`; see `load_model`.

    Args:
        model: `keras.Model` or `fer_tf.saving.runtimes.ExportedModel` from the file `path`.
        path: the file, for messages.
        description: what the file says.
    Raises: `ModelFileError` if the description contradicts the model.
    """
    model.fer_tf_info = _checked_description(path, model, description)
    absent = model.fer_tf_info.get("provenance", {}).get("absent_classes")
    if absent:
        warnings.warn(f"{path} was trained without {', '.join(absent)}: these outputs are always 0", stacklevel=3)


def model_info(model: keras.Model) -> dict:
    """The description of a model, also an exported one: class_names, input_shape, pixel_range, provenance.

    Raises: `ModelFileError` for a model without description whose number of outputs fits no list of emotions.
    """
    info = getattr(model, "fer_tf_info", None)
    return info if info is not None else describe(model, _default_names(model.output_shape[-1]))


def model_shape(model: keras.Model) -> tuple[int, int, int]:
    """(height, width, channels) of the images of a model, also an exported one.

    Raises: `InputError` if the size is not fixed, or there are not 1 or 3 channels.
    """
    shape = tuple(model.input_shape[1:])
    if len(shape) != 3 or None in shape or shape[2] not in (1, 3):
        raise InputError(f"model: must take images of a fixed size with 1 or 3 channels; this one takes {shape}")
    return shape


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 200 characters; the error's type if it has no message."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def read_description(path: Path) -> dict | None:
    """The description in a `.h5` or `.keras` file, or None if it has none.

    Raises: `ModelFileError` if the file is not a model file, or its description is not JSON.
    """
    import h5py

    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                text = archive.read(DESCRIPTION) if DESCRIPTION in archive.namelist() else None
        else:
            check_heaps(path)
            with h5py.File(path, "r") as file:
                if "model_config" not in file.attrs:
                    raise ModelFileError(f"{path}: is HDF5 but holds no Keras model (only weights, or other data)")
                text = file.attrs.get(ATTRIBUTE)
        return None if text is None else json.loads(text)
    except json.JSONDecodeError:
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description is not JSON") from None
    except ModelFileError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, zipfile.BadZipFile):  # h5py on damaged files
        raise ModelFileError(f"{path}: is not a model file (.h5 or .keras)") from None


def _default_names(outputs):
    if not 2 <= outputs <= len(EMOTIONS):
        raise ModelFileError(f"a model with {outputs} outputs is not an emotion model (2 to {len(EMOTIONS)} outputs)")
    return EMOTIONS[:outputs]


def _checked_description(path, model, description):
    outputs = model.output_shape[-1]
    if not isinstance(description, dict) or not isinstance(description.get("class_names"), list):
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description has no class_names")
    names = [str(name) for name in description["class_names"]]
    if len(names) != outputs or len(set(names)) != len(names):
        raise ModelFileError(f"{path}: names {len(names)} classes ({', '.join(names)}) but has {outputs} outputs")
    if fault := _provenance_fault(description.get("provenance", {})):
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description's provenance {fault}")
    _check_input(path, model, description)
    for name in [name for name in names if name not in EMOTION_LABELS]:
        try:
            class_name(name)
        except InputError as error:
            raise ModelFileError(f"{path}: has a class name that cannot be used: {error}") from None
    return description


def _check_input(path, model, description):
    """Checks the shape and the pixel range in a description."""
    shape = description.get("input_shape")
    if shape is not None and not isinstance(shape, list):
        raise ModelFileError(f"{path}: its input_shape is {shape!r}")
    if shape is not None and tuple(shape) != tuple(model.input_shape[1:]):
        raise ModelFileError(f"{path}: says input {tuple(shape)} but takes {tuple(model.input_shape[1:])}")
    if description.get("pixel_range", list(PIXEL_RANGE)) != list(PIXEL_RANGE):
        raise ModelFileError(f"{path}: wants pixels in {description['pixel_range']}, the kit gives {PIXEL_RANGE}")


def _provenance_fault(provenance):
    """What is wrong with a provenance, or "". It must be a dict, and the names in it must be text."""
    if not isinstance(provenance, dict):
        return "is not an object"
    for key in ("run", "dataset", "protocol", "dataset_fingerprint", "salient_by"):
        if not isinstance(provenance.get(key) or "", str):
            return f"has a {key} that is not text"
    absent = provenance.get("absent_classes") or []
    is_list = isinstance(absent, list | tuple) and all(isinstance(name, str) for name in absent)
    return "" if is_list else "has absent_classes that are not a list of names"
