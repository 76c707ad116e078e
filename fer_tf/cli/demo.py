"""The command that serves the demo page."""

import importlib.util
import sys
from functools import partial
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import Channels, Classes, Detector, Guess, Logits, Pixels, app, declared, seven


@app.command(
    epilog="Examples: `fer-tf demo --model models/cnn-fer2013-official-seed0.h5`, "
    "`fer-tf demo --model X.h5 --detector haar --port 8000 --no-browser`, "
    "`fer-tf demo --model theirs.hdf5 --pixels 0..1 --classes fer2013`"
)
def demo(
    model: Annotated[
        str | None, typer.Option(help="A .h5, .keras, .onnx or .tflite file [default: ferplus.h5, which ships].")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes any free port.")] = 7860,
    host: Annotated[str, typer.Option(help="Address to serve on; only this computer can reach 127.0.0.1.")] = (
        "127.0.0.1"
    ),
    max_mb: Annotated[float, typer.Option(help="Largest size of a picture in megabytes.")] = 10.0,
    detector: Detector = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
    pixels: Pixels = None,
    classes: Classes = None,
    channels: Channels = None,
    guess: Guess = False,
    logits: Logits = False,
) -> None:
    """Serves a page on this computer that predicts pictures and webcam frames, until you press Ctrl-C.

    The page shows faces, probabilities and a map of where the model looks, and compares the model with those that ship.
    It processes pictures in memory, never writes them to disk and sends nothing elsewhere. The labels are guesses about
    an expression, not about what a person feels. Do not use the page to identify or judge people.
    """
    import_keras()
    from ..common.ports import address, is_loopback, open_port
    from ..predict.demo.server import Models, make_app, serve

    with open_port(host, port) as listening:
        if not is_loopback(host):
            print(f"warning: on {host} anyone on the network can open the page and send pictures", file=sys.stderr)
        number, classes = seven(classes)
        about = declared(model, pixels, classes, channels, guess, logits)
        page = make_app(Models(_openers(model, detector, about, number), max_mb), host)
        print(f"{address(listening)} (Ctrl-C stops it)", flush=True)
        serve(page, listening, not no_browser)


def _openers(model, detector, declaration, classes):
    """dict name -> function that opens the model: the given one first, then those that ship."""
    from ..predict import EmotionRecognizer
    from ..saving.bundled import DEFAULT, bundled_path, bundled_records

    def opener(path, **options):
        return lambda: EmotionRecognizer(path(), detector=detector, classes=classes, **options)

    has_litert = importlib.util.find_spec("ai_edge_litert") is not None
    usable = [record["file"] for record in bundled_records() if has_litert or not record["file"].endswith(".tflite")]
    files = sorted(usable, key=lambda file: file != DEFAULT)
    own_model = {model: opener(lambda: model, declaration=declaration)} if model else {}
    return own_model | {f"{file} (bundled)": opener(partial(bundled_path, file)) for file in files}
