"""Frames a second of the demo page's live view: requests over HTTP, as the page sends them, one after the other.

    python benchmarks/live_view.py [SECONDS]

Frames of 640×480 with one, two and five faces that move by two pixels from frame to frame, with the default model
alone, and with a second model next to it. What a browser does (grab, encode, draw) is not in these figures.
"""

import asyncio
import json
import sys
import threading
import time
import urllib.request

import numpy as np
import pandas as pd
from PIL import Image

SECONDS, SIZE, FACE = 15.0, (640, 480), 130
MODELS = {"ferplus.h5": ["ferplus.h5"], "ferplus.h5 and fer2013.h5": ["ferplus.h5", "fer2013.h5"]}


def main(seconds):
    from fer_tf.common.ports import address, open_port
    from fer_tf.predict import EmotionRecognizer
    from fer_tf.predict.demo.server import Models, answer_requests, make_app

    models = Models({name: lambda name=name: EmotionRecognizer(name) for name in MODELS["ferplus.h5 and fer2013.h5"]})
    listening = open_port("127.0.0.1", 0)
    threading.Thread(target=_serve, args=(answer_requests, make_app(models), listening), daemon=True).start()
    url = f"{address(listening)}predict"
    rows = []
    for faces in (1, 2, 5):
        frames = [_frame(faces, step) for step in range(30)]
        for title, names in MODELS.items():
            count, found, spent = _watch(url, frames, names, seconds)
            rows.append({"faces": faces, "models": title, "frames/s": count / spent, "faces found": found / count})
    print(pd.DataFrame(rows).round(1).to_string(index=False))


def _serve(answer_requests, app, listening):
    asyncio.run(answer_requests(app, listening))


def _frame(faces, step):
    """A JPEG as a data URL: the face of the sample photograph, several times, moved by `step` · 2 pixels."""
    from fer_tf.data.images import encode_data_url
    from fer_tf.predict import sample_path

    photograph = Image.open(sample_path()).convert("RGB")
    face = photograph.crop((150, 20, 300, 190)).resize((FACE, FACE * 17 // 15))
    frame = Image.new("RGB", SIZE, (90, 100, 110))
    for number in range(faces):
        column, row = number % 3, number // 3
        frame.paste(face, (40 + 190 * column + 2 * step, 40 + 200 * row))
    return encode_data_url(np.asarray(frame))


def _watch(url, frames, names, seconds):
    """Sends frames for some seconds; returns the frames that all models answered, faces found in them, and seconds."""
    states, count, found = dict.fromkeys(names), 0, 0
    _ask(url, names, frames[0], states)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        found += _ask(url, names, frames[count % len(frames)], states)
        count += 1
    return count, found, time.perf_counter() - started


def _ask(url, names, picture, states):
    for name in names:
        body = json.dumps({"model": name, "picture": picture, "state": states[name]}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        assert not answer.get("is_fault"), answer["message"]
        states[name] = answer["state"]
    return len(answer["faces"])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
