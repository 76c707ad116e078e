"""Which precision trains faster here: measured at the start of a run, because it depends on processor and network."""

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..runs.environment import has_accelerator

LOW = "mixed_bfloat16"
# Instruction sets that multiply bfloat16; on a processor without them it is emulated, and never faster.
_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_STEPS, _BEST_OF = 4, 3


def has_bfloat16() -> bool:
    """True if an accelerator is there, or the processor has instructions for bfloat16."""
    if has_accelerator():
        return True
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    lines = [line for line in text.splitlines() if line.startswith(("flags", "Features"))]
    return bool(lines) and bool(_FLAGS & set(lines[0].split(":", 1)[1].split()))


def choose(make_model: Any, images: np.ndarray, targets: np.ndarray) -> dict:
    """Measures a training step in both precisions.

    Args:
        make_model: function of a precision's name that gives a compiled `keras.Model`.
        images: uint8 [B, H, W, C].
        targets: float [B, C].
    Returns: dict: "chosen", and milliseconds a picture of each precision that was tried, or "reason" where none was.
    """
    if not has_bfloat16():
        return {"chosen": "float32", "reason": "this processor has no instructions for bfloat16"}
    times = {name: _milliseconds(make_model(name), images, targets) for name in ("float32", LOW)}
    return {"chosen": min(times, key=lambda name: times[name]), "milliseconds_per_picture": times}


def _milliseconds(model: keras.Model, images, targets):
    """The fastest of a few timings: other work on the machine can only slow one down."""
    images = images.astype(np.float32)
    for _ in range(2):
        model.train_on_batch(images, targets)
    times = []
    for _ in range(_BEST_OF):
        start = time.perf_counter()
        for _ in range(_STEPS):
            model.train_on_batch(images, targets)
        times.append(time.perf_counter() - start)
    return round(1000 * min(times) / _STEPS / len(images), 4)
