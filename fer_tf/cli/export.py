"""The commands that write a model in another form: for other runtimes, or a foreign model as a file of the kit."""

from pathlib import Path
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import Channels, Classes, DataDir, Dataset, Guess, Logits, Pixels, Protocol, app, declared


@app.command(
    epilog="Examples: `fer-tf export models/cnn-fer2013-official-seed0.h5 --to onnx`, "
    "`fer-tf export X.h5 --to tflite --quantize int8 --dataset fer2013 --data-dir data/raw --out phone.tflite`, "
    "`fer-tf export theirs.hdf5 --to tflite --pixels -1..1 --classes fer2013`"
)
def export(
    model: Annotated[str, typer.Argument(help="A .h5 or .keras file.")],
    to: Annotated[str, typer.Option("--to", help="onnx, tflite or savedmodel.")],
    quantize: Annotated[
        str | None, typer.Option(help="float16 (half the size) or int8 (a quarter, and faster); not for savedmodel.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file or folder to write [default: X.onnx, X-int8.tflite or X-savedmodel/ in the folder of X.h5]."
        ),
    ] = None,
    dataset: Dataset = "synthetic",
    protocol: Protocol = None,
    data_dir: DataDir = None,
    pixels: Pixels = None,
    classes: Classes = None,
    channels: Channels = None,
    guess: Guess = False,
    logits: Logits = False,
) -> None:
    """Writes a model as ONNX, TFLite or SavedModel, with its labels and pixel range inside.

    The export is compared with the Keras model on pictures of the dataset's val split. It is not written if a
    probability differs by more than 0.0001 (float16: 0.02, int8: 0.5), or if more than a tenth of the labels change
    (near ties are not counted). For int8, pictures of the train split are used for calibration: choose the dataset
    that the model was trained on. `fer-tf predict photos/ --model X.onnx` then uses the export.
    """
    import_keras()
    from ..data import is_known
    from ..saving.export import check_out, default_out, export_model, sample_pictures
    from ..saving.keras_files import find_model, load_model, model_info, model_shape

    check_out(out or default_out(model, to, quantize), to, quantize)
    path = find_model(model)
    loaded = load_model(path, declared(str(path), pixels, classes, channels, guess, logits))
    target = Path(out or default_out(path, to, quantize))
    trained_on = model_info(loaded).get("provenance", {}).get("dataset")
    if quantize == "int8" and is_known(trained_on) and trained_on != dataset:
        print(f"note: calibrated on {dataset}; the model was trained on {trained_on}: use --dataset {trained_on}")
    pictures = sample_pictures(model_shape(loaded), dataset, data_dir, protocol)
    parity = export_model(loaded, target, to, quantize, pictures)
    print(f"{target}: {_megabytes(target):.2f} MB ({path.name}: {_megabytes(path):.2f} MB)")
    print(
        f"largest difference in probability from the Keras model on {parity.pictures} pictures of {pictures.source}: "
        f"{parity.difference:.2g}; same label on {100 * parity.same:.1f} %"
    )
    print(f"labels inside: {', '.join(model_info(loaded)['class_names'])}; raw 0..255 pixels in")


@app.command(
    epilog="Examples: `fer-tf adopt theirs.hdf5 --pixels -1..1 --classes fer2013 --out mine.h5`, "
    "`fer-tf adopt theirs.keras --pixels 0..1 --classes angry,disgust,fear,happy,neutral,sad,surprise --out mine.h5`, "
    "`fer-tf adopt vgg.h5 --pixels imagenet-caffe --channels gray --classes alphabetical --out mine.h5`"
)
def adopt(
    model: Annotated[str, typer.Argument(help="A .h5, .hdf5 or .keras file that the kit did not make.")],
    out: Annotated[Path, typer.Option(help="The file to write, .h5 or .keras.")],
    pixels: Pixels = None,
    classes: Classes = None,
    channels: Channels = None,
    guess: Guess = False,
    logits: Logits = False,
) -> None:
    """Writes a model that the kit did not make into a file of the kit.

    A layer in front of the model makes the pixels of its training, so the new file takes raw 0..255 pixels like every
    other one. It also holds the names of the classes. Use it in every command, without --pixels and --classes.
    """
    import_keras()
    from ..common.checks import InputError
    from ..saving.adopting import adopt_model

    about = declared(model, pixels, classes, channels, guess, logits)
    if about is None:
        raise InputError("adopt: needs --classes, and --pixels or --guess; `fer-tf adopt --help` explains them")
    info = adopt_model(model, out, about)
    inputs = info["provenance"]["declared"]
    print(f"{out}: takes raw 0..255 pixels; inside they become {inputs['pixels']}, channels {inputs['channels']}")
    print(f"labels inside: {', '.join(info['class_names'])}")


def _megabytes(path):
    """Size of a file or of all files in a folder, in 10⁶ bytes."""
    return sum(item.stat().st_size for item in (path, *path.rglob("*")) if item.is_file()) / 1e6
