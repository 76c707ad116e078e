"""What a cluster costs and gives: images a second of one process, of one and of two workers, and what a kill costs.

    python benchmarks/cluster.py [pictures of each worker, default 4096]

Needs the extra `cluster`. Each worker has one core and the same number of pictures, so the overhead shows: without any,
two workers on two cores take as long as one. The pictures are drawn faces under noise, small PNG files of 48×48 in a
temporary folder, predicted as ready crops by the bundled model. `steady` is the rate from a worker's first shard on;
`in all` includes the start of Ray, TensorFlow and the model. For many small files, give a large number: 400000 is a
dataset such as AffectNet.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from _measure import in_own_process, print_table, report

COUNT, SIDE = 4096, 48


def main(count):
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_TF_CACHE"] = folder
        started = time.perf_counter()
        write_pictures(Path(folder, "faces"), 2 * count)
        print(f"{2 * count:,} pictures written in {time.perf_counter() - started:.0f} s", flush=True)
        rows = [in_own_process(__file__, name, folder, count) for name in ("alone", "one", "two", "killed")]
    table = print_table(rows, "steady images/s", "alone")
    lost = table.loc["killed", "seconds in all"] - table.loc["two", "seconds in all"]
    print(f"a worker killed after a third of the shards: {lost:.1f} s longer")


def write_pictures(folder, count):
    from fer_tf.data.drawn_faces import draw_faces

    faces = draw_faces(400, seed=0, size=SIDE).images
    noise = np.random.default_rng(0).integers(0, 40, SIDE * SIDE + count, dtype=np.uint8)
    folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: write_picture(folder, number, faces, noise), range(count), chunksize=500))


def write_picture(folder, number, faces, noise):
    import cv2

    grain = noise[number : number + SIDE * SIDE].reshape(SIDE, SIDE, 1)
    (folder / f"{number:07d}.png").write_bytes(cv2.imencode(".png", cv2.add(faces[number % 400], grain))[1].tobytes())


class Watch:
    """Notes when shards appear, and the largest memory of the processes that hold a model."""

    def __init__(self, out):
        self.out, self.times, self.peak, self.is_over = out, {}, 0, False
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def _look(self):
        while not self.is_over:
            for path in self.out.glob("part-*"):
                self.times.setdefault(path.name, time.perf_counter())
            for process in workers():
                with contextlib.suppress(psutil.Error):
                    self.peak = max(self.peak, process.memory_info().rss)
            time.sleep(0.1)

    def end(self):
        self.is_over = True
        self.thread.join()


def workers():
    """The processes of the cluster that hold a model: Ray's processes are children of this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended in between
            found += [process] if "MapWorker" in "".join(process.cmdline()) else []
    return found


def alone(folder, count):
    """One process with one thread, as `predict --out scores.csv`."""
    from fer_tf.common.quiet import import_keras

    started = time.perf_counter()
    import_keras()
    from fer_tf.predict import EmotionRecognizer
    from fer_tf.predict.predict_files import predict_files

    files = sorted(Path(folder, "faces").iterdir())[:count]
    recognizer = EmotionRecognizer(detector="none")
    recognizer.predict(files[:64])  # compiles
    begun = time.perf_counter()
    predict_files(recognizer, files, Path(folder, "alone.csv"), progress=False)
    ended = time.perf_counter()
    figures(count, ended - started, ended - begun, count, psutil.Process().memory_info().rss)


def on_cluster(folder, count, processes, is_killed=False):
    from fer_tf.common.cluster import connected
    from fer_tf.predict.shards import predict_shards

    out, shard = Path(folder, f"shards{processes}{is_killed}"), max(1, count // 16)
    files = sorted(Path(folder, "faces").iterdir())[: processes * count]
    started = time.perf_counter()
    with connected("ray") as cluster:
        watch = Watch(out)
        if is_killed:
            threading.Thread(target=kill_one, args=[out, processes * 16 // 3]).start()
        arguments, options = {"detector": "none"}, {"shard_files": shard, "workers": processes, "progress": False}
        predict_shards(arguments, files, out, cluster, **options)
        ended = time.perf_counter()
        watch.end()
    times = sorted(watch.times.values())
    figures(len(files), ended - started, times[-1] - times[0], len(files) - shard, watch.peak)


def kill_one(out, shards):
    while len(list(out.glob("part-*"))) < shards:
        time.sleep(0.05)
    workers()[0].kill()


def figures(count, seconds, steady_seconds, steady_count, memory):
    report(
        pictures=count,
        **{
            "seconds in all": round(seconds, 1),
            "images/s in all": round(count / seconds, 1),
            "steady images/s": round(steady_count / steady_seconds, 1),
            "MB of a worker": round(memory / 1e6),
        },
    )


VARIANTS = {
    "alone": alone,
    "one": lambda folder, count: on_cluster(folder, count, 1),
    "two": lambda folder, count: on_cluster(folder, count, 2),
    "killed": lambda folder, count: on_cluster(folder, count, 2, is_killed=True),
}

if __name__ == "__main__":
    if len(sys.argv) > 2:
        from fer_tf.common.cores import thread_variables

        os.environ |= thread_variables(1)
        VARIANTS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
