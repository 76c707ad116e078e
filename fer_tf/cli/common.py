"""What the commands share: the Typer applications and the common options."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.text import one_line

if TYPE_CHECKING:
    from ..saving import Declaration

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A course kit for facial expression recognition. Every command has --help with examples.",
)
data_app = typer.Typer(no_args_is_help=True, help="Look at datasets, prepare, examine and split them.")
app.add_typer(data_app, name="data")

Experiment = Annotated[str, typer.Argument(help="An experiment; `fer-tf list` shows all.")]
DatasetName = Annotated[str, typer.Argument(help="A dataset; `fer-tf list` shows all.")]
Dataset = Annotated[str, typer.Option(help="A dataset; `fer-tf list` shows all.")]
DataDir = Annotated[
    str | None, typer.Option(help="Folder with one folder per dataset [default: $FER_TF_DATA, data/raw].")
]
Protocol = Annotated[
    str | None,
    typer.Option(help="How rows become train, val and test [default: the dataset's first protocol]."),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="One option of the dataset, name=value (fold=3, classes=7, label_mode=probability); can be repeated.",
    ),
]
Size = Annotated[str, typer.Option(help="full, quick or smoke.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="One setting of `list settings`, name=value; can be repeated.")
]
Devices = Annotated[
    str,
    typer.Option(
        envvar="FER_TF_DEVICES",
        help="Devices that train one model: all or a number [default: one]. Each computes a share of every batch.",
    ),
]
# Options of the commands that look for faces.
BatchSize = Annotated[int, typer.Option(min=1, help="Pictures per step.")]
NoDetect = Annotated[
    bool, typer.Option("--no-detect", help="Do not search for faces; use each whole picture as one face.")
]
Detector = Annotated[
    str | None,
    typer.Option(help="mtcnn, haar, yunet or none [default: yunet if its file is there, else mtcnn, else haar]."),
]
FaceChoice = Annotated[str, typer.Option(help="all (every face of a picture) or largest (one face).")]
FaceMargin = Annotated[
    float, typer.Option(help="Enlarge the face box on each side by this fraction of its size (0.1 = 10 %).")
]
FaceAlign = Annotated[
    str,
    typer.Option(
        "--align",
        help="eyes (turn faces until the eyes are level), landmarks (also move and scale them until eyes, nose and "
        "mouth are at fixed places; needs mtcnn or yunet) or none.",
    ),
]
# Options for a model that was not made by the kit.
Pixels = Annotated[
    str | None,
    typer.Option(
        help="Only for a model file that the kit did not make: the range of pixel values that it was trained on. "
        "0..255, 0..1, -1..1, "
        "imagenet-caffe, imagenet-torch, standardised (each picture by its own mean and deviation) or mean=M,std=S."
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        help="7: leave contempt out (only predict and demo). "
        "For a model file that the kit did not make: its outputs in order. fer2013, "
        "ferplus, affectnet, rafdb, alphabetical (folders read by flow_from_directory), or names with commas between "
        "them (also your own).",
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        help="Only for a model file that the kit did not make: gray, rgb or bgr (OpenCV) [default: gray for one "
        "channel, rgb for three]."
    ),
]
Guess = Annotated[
    bool,
    typer.Option("--guess", help="Instead of --pixels: test each range on drawn faces and use the most likely one."),
]

# Options for a cluster.
ClusterName = Annotated[
    str | None,
    typer.Option(
        "--cluster", help="ray: run on the Ray cluster at $RAY_ADDRESS, or on one on this computer; see CLUSTER.md."
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="With --cluster: cores of each task [default: 1].")]
Gpus = Annotated[
    float | None,
    typer.Option(min=0, help="With --cluster: GPUs of each task; 0.5 lets two tasks share one [default: 0]."),
]

Logits = Annotated[
    bool,
    typer.Option(
        "--logits",
        help="Only for a model file that the kit did not make: its last layer returns raw scores; apply a softmax.",
    ),
]


def for_processes(devices: str) -> None:
    """Makes the processes that this command starts train on these devices.

    Raises: `InputError` for anything but all, a number from 1, or "".
    """
    from ..training.distribution import DEVICES, parse_devices

    parse_devices(devices)
    if devices:
        os.environ[DEVICES] = devices


def seven(classes: str | None) -> tuple[int | None, str | None]:
    """What `--classes` means: (7, None) to leave contempt out, (None, the classes of a declaration) else."""
    return (7, None) if classes == "7" else (None, classes)


def declared(
    model: str | None,
    pixels: str | None,
    classes: str | None,
    channels: str | None,
    guess: bool,
    logits: bool = False,
) -> "Declaration | None":
    """What the options declare about a model file that the kit did not make; None if none of them is given.

    Args:
        model: the file, None for the bundled model.
        pixels, classes, channels, guess, logits: the options. With `guess` the trials of all pixels are printed on
            stderr.
    Raises: `InputError` if classes, or both or neither of pixels and guess are given.
    """
    if not (pixels or classes or channels or guess or logits):
        return None
    from ..common.checks import InputError
    from ..saving import Declaration

    if not classes:
        raise InputError("classes: missing; a model that the kit did not make needs --classes, and --pixels or --guess")
    if bool(pixels) == guess:
        raise InputError("pixels: give one of --pixels and --guess")
    if pixels:
        return Declaration(pixels, classes, channels, logits=logits)
    from ..saving.adopting import guess_pixels
    from ..saving.bundled import bundled_path

    guessed, trials = guess_pixels(model or bundled_path(), classes, channels, logits)
    for trial in trials:
        tell(trial)
    tell(
        f"guess: {guessed.pixels} is likeliest; look into the code of the training, then give --pixels {guessed.pixels}"
    )
    return guessed


def tell(text: object) -> None:
    """Prints a note on stderr in one line, so that it does not mix with the command's output."""
    print(one_line(text), file=sys.stderr)
