"""The command that serves the demo page."""

import sys
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import app


@app.command(
    epilog="Examples: `fer-tf demo --model models/cnn-fer2013-official-seed0.h5`, "
    "`fer-tf demo --model X.h5 --detector haar --port 8000 --no-browser`"
)
def demo(
    model: Annotated[
        str | None, typer.Option(help="A .h5, .keras, .onnx or .tflite file [default: the bundled model].")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page's address; 0: any free one.")] = 7860,
    host: Annotated[str, typer.Option(help="Address to serve on; 127.0.0.1 is reached from this computer alone.")] = (
        "127.0.0.1"
    ),
    max_mb: Annotated[float, typer.Option(help="Megabytes that a picture may have.")] = 10.0,
    detector: Annotated[
        str | None,
        typer.Option(help="mtcnn, haar, yunet or none [default: mtcnn, else haar]; haar is the faster, live."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
):
    """Serves a page on this computer: a picture or the webcam in, faces, probabilities and a map out; until Ctrl-C.

    It needs Gradio: `pip install "gradio>=6,<7"`. Pictures are worked on in memory and never written to the disk;
    nothing is sent elsewhere. The labels are guesses about an expression, not about what a person feels; the page is
    not for identifying or judging people.
    """
    import_keras()
    from ..predict.demo.server import address, import_gradio, is_loopback, make_app, open_port, serve
    from ..predict.recognizer import EmotionRecognizer

    import_gradio()
    with open_port(host, port) as listening:
        if not is_loopback(host):
            print(f"warning: on {host} anyone on the network can open the page and send pictures", file=sys.stderr)
        page = make_app(EmotionRecognizer(model, detector=detector), max_mb, host)
        print(f"{address(listening)} (Ctrl-C ends it)", flush=True)
        serve(page, listening, not no_browser)
