"""Several processes or devices on the same cores: speed, memory, what a kill costs, and the arithmetic of 64 devices.

    python benchmarks/devices.py                 # all; needs JAX
    python benchmarks/devices.py processes       # 1, 2 and 4 processes on loopback (JAX)
    python benchmarks/devices.py tensorflow      # 1, 2 and 4 parts of the processor (MirroredStrategy)
    python benchmarks/devices.py files [count [folder]]   # pictures read from disk by 1, 2 and 4 processes
    python benchmarks/devices.py kill            # seconds from a kill -9 to the end of the other process
    python benchmarks/devices.py paper           # RAN on AffectNet with 64 devices, computed from the model

Each process or device has the same number of pictures in a step, so with more of them a step has more pictures. On the
same cores the ideal is therefore the same number of pictures a second; what is missing is the cost of sharing.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import peak, print_table

PER_DEVICE, STEPS, EPOCHS = 32, 12, 3
NUMBERS = (1, 2, 4)
READ = 20_000  # pictures that each variant reads of the files
# What a step of 64 devices is compared with. Assumptions, not measurements: a device's share of its peak in training,
# the network of each host, and the devices of a host.
TERAFLOPS, GIGABYTES, ON_A_HOST = (50, 200), (1.25, 12.5, 50), 8
SIDE = 96  # AffectNet's pictures in the kit
PICTURES = 287_651  # AffectNet's training pictures, eight classes


def main(what="all", *arguments):
    if what in ("processes", "all"):
        print_table([processes(number) for number in NUMBERS], "pictures/s", "1 process")
    if what in ("tensorflow", "all"):
        print_table([devices("tensorflow", number) for number in NUMBERS], "pictures/s", "tensorflow, 1 device")
    if what in ("files", "all"):
        with made_files(int(arguments[0]) if arguments else 20_000, *arguments[1:]) as folder:
            compare_files(folder)
    if what in ("kill", "all"):
        print_kill()
    if what in ("paper", "all"):
        print("\n".join(run_part("jax", "arithmetic")))


def started(backend, part, *arguments, home=None):
    """A new process of this script; its last line is a dict of figures."""
    folder = home or tempfile.mkdtemp(prefix="fer_tf_devices_")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "FER_TF_REPORTS": f"{folder}/reports",
        "FER_TF_MODELS": f"{folder}/models",
    }
    command = [sys.executable, __file__, part, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(*running):
    """What processes printed, line by line, once all have ended."""
    texts = [process.communicate() for process in running]
    for process, (_, errors) in zip(running, texts, strict=True):
        if process.returncode:
            raise SystemExit(errors[-3000:])
    return [text.strip().splitlines() for text, _ in texts]


def run_part(backend, part, *arguments):
    return lines_of(started(backend, part, *arguments))[0]


def free_addresses(number):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = ",".join(f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes)
    for probe in probes:
        probe.close()
    return found


def processes(number):
    hosts = free_addresses(number) if number > 1 else ""
    found = lines_of(*(started("jax", "train", number, "", hosts, rank) for rank in range(number)))
    figures = [json.loads(lines[-1]) for lines in found]
    return {
        "variant": f"{number} process{'es' if number > 1 else ''}",
        **figures[0],
        "MB of each process": max(row["MB of each process"] for row in figures),
    }


def devices(backend, number):
    figures = json.loads(run_part(backend, "train", number, number if number > 1 else "", "", 0)[-1])
    return {"variant": f"{backend}, {number} device{'s' if number > 1 else ''}", **figures}


def train(number, parts, hosts, rank):
    """Trains `cnn` for a few epochs and prints the pictures a second of the later ones."""
    from fer_tf.common.quiet import import_keras

    import_keras(wake=False)
    from fer_tf import experiments
    from fer_tf.data import load_dataset
    from fer_tf.training import distribution, fitting
    from fer_tf.training.checkpoint import Progress

    count = PER_DEVICE * int(number) * STEPS
    data = load_dataset("synthetic", count=2 * count).limited(count).training_data()
    settings = {"batch_size": PER_DEVICE * int(number), "epochs": EPOCHS, "width": 0.5, "jit": "auto"}
    experiment = experiments.resolve("cnn", "smoke", settings)
    if not parts and not hosts:
        experiment = experiments.resolve("cnn", "smoke", {**settings, "jit": compiled()})
    rows = len(data.train)
    with (
        tempfile.TemporaryDirectory() as folder,
        distribution.started(parts, hosts, int(rank) if hosts else None, verbose=False),
        distribution.scope(),
    ):
        _, facts = fitting.fit(data, experiment, 0, Progress(Path(folder), "f", verbose=False))
        history = np.genfromtxt(Path(folder, "history.csv"), delimiter=",", names=True)
    seconds = float(np.median(history["seconds"][1:]))
    assert facts["epochs"] == EPOCHS
    print(json.dumps({"pictures/s": round(rows / seconds), "s an epoch": seconds, "MB of each process": peak()}))


def compiled():
    """XLA for JAX, as for several of its devices; not for TensorFlow on a processor."""
    import keras

    return "on" if keras.backend.backend() == "jax" else "off"


@contextlib.contextmanager
def made_files(count, folder=None):
    """A folder with AffectNet's form of this many pictures, four files each; a folder that is given is kept."""
    import streaming_memory

    with contextlib.nullcontext(folder) if folder else tempfile.TemporaryDirectory() as home:
        if not Path(home, "affectnet").is_dir():
            started_at = time.perf_counter()
            streaming_memory.write_affectnet(Path(home, "affectnet"), count)
            print(f"{count:,} pictures written in {time.perf_counter() - started_at:.0f} s", flush=True)
        os.environ["FER_TF_CACHE"] = f"{home}/cache"
        yield home


def compare_files(folder):
    """Each variant reads other pictures of an epoch than those before it: first from disk, then from memory.

    The network is left out: pictures are found, read and decoded.
    """
    count = len(list(Path(folder, "affectnet", "train_set", "images").iterdir()))
    number_read = min(READ, count // len(NUMBERS))
    read_by(1, folder, 0, 1)  # the list of files is then in the cache
    leave_memory(Path(folder, "affectnet"))
    rows = []
    for index, number in enumerate(NUMBERS):
        steps = number_read // (PER_DEVICE * number)
        begin = index * number_read // (PER_DEVICE * number)
        rows.append(
            {"variant": f"{number} process{'es' if number > 1 else ''}", **read_by(number, folder, begin, steps)}
        )
    print(f"{number_read:,} of {count:,} pictures for each variant")
    print_table(rows, "pictures/s", "1 process")


def read_by(number, folder, begin, steps):
    """The figures of processes that read together, as one row."""
    with tempfile.TemporaryDirectory() as meeting:
        running = [started("jax", "read", folder, number, rank, begin, steps, meeting) for rank in range(number)]
        figures = [json.loads(lines[-1]) for lines in lines_of(*running)]
    pictures = sum(row["pictures"] for row in figures)
    seconds, again = (max(row[key] for row in figures) for key in ("seconds", "seconds again"))
    return {
        "pictures/s": round(pictures / seconds),
        "in memory": round(pictures / again),
        "MB of each process": max(row["MB"] for row in figures),
    }


def leave_memory(folder):
    """Lets the system forget what it keeps of the files, as if they had not been written just now."""
    os.sync()
    for path in folder.rglob("*.jpg"):
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def read(folder, number, rank, begin, steps, meeting):
    """Reads this process's share of some batches of an epoch, twice."""
    from fer_tf.common.sharing import Sharing, share, shared
    from fer_tf.data import load_dataset
    from fer_tf.data.feeding import epoch_plan

    split = load_dataset("affectnet", data_dir=folder, stream=True).train
    plan = epoch_plan.EpochPlan(epoch_plan.target_matrix(split), PER_DEVICE * int(number), 0, 1)
    batches = list(itertools.islice(plan.batches(0), int(begin), int(begin) + int(steps)))
    with shared(Sharing(int(number), int(number), int(rank))):
        own = [share(batch.positions) for batch in batches]
    wait_for_all(Path(meeting), rank, int(number))
    seconds = []
    for _ in range(2):
        since = time.perf_counter()
        pictures = sum(len(split.fetch(positions)) for positions in own)
        seconds.append(time.perf_counter() - since)
    print(json.dumps({"pictures": pictures, "seconds": seconds[0], "seconds again": seconds[1], "MB": peak()}))


def wait_for_all(meeting, rank, number):
    """Waits until all processes of a variant can begin."""
    (meeting / rank).touch()
    while len(list(meeting.iterdir())) < number:
        time.sleep(0.01)


def print_kill():
    """Kills one of two processes after its third epoch, and starts both again."""
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder, "0", "reports", "runs", "cnn-synthetic-identity-seed0", "history.csv")
        first, second = (started("jax", "command", rank, hosts, home=f"{folder}/{rank}") for rank, hosts in pair())
        wait_for_rows(history, 3)
        second.send_signal(signal.SIGKILL)
        killed = time.perf_counter()
        message = first.communicate()[1].strip().splitlines()[-1]
        ended = time.perf_counter() - killed
        second.communicate()
        print(f"exit code {first.returncode}: {message}")
        begin, done = time.perf_counter(), len(history.read_text().splitlines())
        again = [started("jax", "command", rank, hosts, home=f"{folder}/{rank}") for rank, hosts in pair()]
        wait_for_rows(history, done)
        resumed = time.perf_counter() - begin
        for process in again:
            process.kill()
            process.communicate()
    print(f"seconds from the kill to the end of the other process {ended:.1f}")
    print(f"seconds from the new start to the next finished epoch {resumed:.1f}")


def pair():
    hosts = free_addresses(2)
    return [(rank, hosts) for rank in range(2)]


def wait_for_rows(history, rows):
    """Waits until the history has its header and this number of epochs."""
    while not history.is_file() or len(history.read_text().splitlines()) <= rows:
        time.sleep(0.05)


def command(rank, hosts):
    """`fer-tf train` as one of two hosts."""
    from fer_tf.__main__ import main as fer_tf

    options = ["--option", "count=2000", "--size", "smoke"]
    settings = {"epochs": 40, "limit": 640, "width": 0.5, "batch_size": 64, "patience": 0}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    sys.argv = ["fer-tf", "train", "cnn", *options, *words, "--hosts", hosts, "--rank", rank]
    fer_tf()


def arithmetic():
    """What a step of RAN on AffectNet costs, and what that means for 64 devices."""
    from fer_tf.experiments import resolve

    experiment = resolve("ran", "full", {})
    parameters, forward, trained = costs(experiment)
    number, gradient = 64, 4 * parameters
    sent = 2 * (number - 1) / number * gradient
    print(f"weights that learn {parameters:,}, multiply-adds a picture {forward / 2e6:,.0f} M")
    print(f"operations a picture, forward and backward: {trained / 1e9:.1f} G")
    print(f"gradients {gradient / 1e6:.1f} MB; in a ring of {number} each device sends {sent / 1e6:.1f} MB a step")
    rows = [
        step_of(size, number, trained / (speed * 1e12), sent / (width * 1e9), f"{speed} TFLOP/s, {width} GB/s")
        for size in (experiment.batch_size, experiment.batch_size * number)
        for speed in TERAFLOPS
        for width in GIGABYTES
    ]
    print(pd.DataFrame(rows).round(2).to_string(index=False))


def costs(experiment):
    """Weights that learn, and floating-point operations a picture: forward, and forward with gradient (from XLA)."""
    import jax
    import keras

    from fer_tf.models import build_model, model_options

    options = {key: value for key, value in experiment.settings().items() if key in model_options("ran")}
    model = build_model("ran", (SIDE, SIDE, 3), 8, **options)
    learned = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]

    def answer(images):
        return model.stateless_call(learned, others, images)[0]

    def loss(weights, images):
        return keras.ops.mean(model.stateless_call(weights, others, images, training=True)[0])

    images = np.zeros((1, SIDE, SIDE, 3), np.float32)
    lowered = jax.jit(answer).lower(images), jax.jit(jax.grad(loss)).lower(learned, images)
    flops = [one.cost_analysis()["flops"] for one in lowered]
    return sum(int(np.prod(value.shape)) for value in learned), *flops


def step_of(size, number, a_picture, exchange, about):
    """One line. The exchange is added to the step, so the share of compute is a lower bound: the two can overlap."""
    each = size / number
    step = each * a_picture + exchange
    return {
        "batch": size,
        "of a device": each,
        "a device and the network": about,
        "compute ms": 1000 * each * a_picture,
        "all-reduce ms": 1000 * exchange,
        "compute %": 100 * each * a_picture / step,
        "pictures/s": size / step,
        f"of a host of {ON_A_HOST}": ON_A_HOST * each / step,
        "s an epoch": PICTURES / size * step,
    }


PARTS = {"train": train, "read": read, "command": command, "arithmetic": arithmetic}

if __name__ == "__main__":
    part, *rest = sys.argv[1:] or ["all"]
    PARTS[part](*rest) if part in PARTS else main(part, *rest)
