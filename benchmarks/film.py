"""Frames a second that `predict_files` takes of a film of 1280x720, with faces followed and with every frame searched.

    python benchmarks/film.py [FILM]

Without a file, a film of five seconds at 25 frames a second is made: two copies of the astronaut's face move over a
photograph without people. The default model and detector. Reading the film alone is the upper limit.
"""

import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from _measure import in_own_process, print_table, report

FPS, SECONDS, SIZE = 25, 5, (720, 1280)
# name -> (seconds between two searches or None to only read the film, with a marked copy)
VARIANTS = {
    "read only": (None, False),
    "followed": (0.5, False),
    "followed, copy": (0.5, True),
    "searched": (0.0, False),
}


def main():
    with tempfile.TemporaryDirectory() as folder:
        film = Path(sys.argv[1]) if len(sys.argv) > 1 else write_film(Path(folder) / "film.mp4")
        rows = [in_own_process(__file__, variant, film, folder) for variant in VARIANTS]
    print_table(rows, "frames/s", "searched")


def write_film(path):
    import skimage

    data = Path(skimage.__file__).parent / "data"
    scene = cv2.resize(cv2.imread(str(data / "coffee.png")), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    face = cv2.imread(str(data / "astronaut.png"))[20:220, 120:320]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), FPS, SIZE[::-1])
    rng = np.random.default_rng(0)
    for number in range(FPS * SECONDS):
        frame = scene.copy()
        for place, phase in ((200, 0.0), (800, 2.0)):
            left = place + round(150 * np.sin(number / FPS + phase))
            top = 250 + round(80 * np.cos(number / FPS * 1.3 + phase))
            frame[top : top + 200, left : left + 200] = face
        noise = rng.integers(0, 7, SIZE, dtype=np.uint8)[..., None]
        writer.write(cv2.add(frame, np.repeat(noise, 3, axis=2)))
    writer.release()
    return path


def measure(variant, film, folder):
    """All figures of one variant, printed for `main`."""
    from fer_tf.data.video import read_frames

    seconds, with_copy = VARIANTS[variant]
    frames = read_frames(film).expected
    if seconds is None:
        run = lambda: sum(1 for _ in read_frames(film))  # noqa: E731
        faces = 0
    else:
        from fer_tf.common.quiet import import_keras

        import_keras()
        from fer_tf.predict import EmotionRecognizer
        from fer_tf.predict.predict_files import Options, predict_files

        recognizer, out = EmotionRecognizer(), Path(folder) / "out.csv"
        recognizer.predict(np.zeros((3, 96, 96, 3), np.uint8))  # warm, for batches of any size
        recognizer.predict(np.zeros((4, 96, 96, 3), np.uint8))
        options = Options(search=seconds, annotate=Path(folder) / "marked" if with_copy else None)
        run = lambda: predict_files(recognizer, [film], out, options, progress=False)  # noqa: E731
    started, used = time.perf_counter(), time.process_time()
    run()
    taken, used = time.perf_counter() - started, time.process_time() - used
    if seconds is not None:
        import pandas as pd

        faces = int(pd.read_csv(out)["detected"].sum())
    report(
        **{
            "frames": frames,
            "faces": faces,
            "frames/s": round(frames / taken, 1),
            "frames in a processor second": round(frames / used, 1),
        }
    )


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 2 else main()
