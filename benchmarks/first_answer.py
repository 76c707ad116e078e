"""Seconds from the start of Python to the first answer, next to the bare import of TensorFlow.

    python benchmarks/first_answer.py

Each variant in fresh processes, in turns; the best of `TURNS` counts. It is the default model on the picture of
`--sample`. `onnx` needs ONNX Runtime (`make extras`); its export is in the cache before the clock
starts, as it is after the first use. So are the compiled Python files.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time

from _measure import print_table

TURNS = 2
_ANSWER = (
    "from fer_tf.predict import EmotionRecognizer, sample_path\n"
    "assert len(EmotionRecognizer({}).predict([sample_path()])) == 1"
)
VARIANTS = {
    "import tensorflow": "import tensorflow",
    "first answer": _ANSWER.format(""),
    "first answer, onnx": _ANSWER.format("runtime='onnx'"),
    "first answer, onnx, ready crop": _ANSWER.format("runtime='onnx', detector='none'"),
}
COMMANDS = {
    "fer-tf predict --sample": ["predict", "--sample"],
    "fer-tf predict --sample --runtime onnx": ["predict", "--sample", "--runtime", "onnx"],
}


def main():
    calls = {name: ["-c", code] for name, code in VARIANTS.items()}
    calls |= {name: ["-m", "fer_tf", *words] for name, words in COMMANDS.items()}
    if not importlib.util.find_spec("onnxruntime"):
        calls = {name: call for name, call in calls.items() if "onnx" not in name}
    taken: dict = {name: [] for name in calls}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "FER_TF_CACHE": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles the kit's files again
        for turn in range(TURNS + 1):  # the first one fills caches
            for name, call in calls.items():
                before, started = os.times(), time.perf_counter()
                subprocess.run([sys.executable, *call], env=environment, check=True, capture_output=True)
                seconds, after = time.perf_counter() - started, os.times()
                used = after.children_user + after.children_system - before.children_user - before.children_system
                taken[name] += [(seconds, used)] if turn else []
    rows = [
        {"variant": name, "seconds": round(min(times)[0], 2), "processor s": round(min(used for _, used in times), 2)}
        for name, times in taken.items()
    ]
    print_table(rows, "seconds", "import tensorflow", faster="lower")


if __name__ == "__main__":
    main()
