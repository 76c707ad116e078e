"""Running code under JAX where TensorFlow cannot be imported.

JAX is installed for these tests alone. $FER_TF_JAX_PYTHON may name another Python that has it
(`python -m venv x; x/bin/pip install "jax[cpu]"` and requirements.txt without tensorflow and notebooks).
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fer_tf

PYTHON = os.environ.get("FER_TF_JAX_PYTHON") or (sys.executable if importlib.util.find_spec("jax") else None)

# No finder may answer for TensorFlow: an import of it anywhere is an error, as where it is not installed.
START = """
import sys

class Forbidden:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r} (forbidden by this test)", name=name)

sys.meta_path.insert(0, Forbidden)
import json
import keras
import numpy as np
assert keras.backend.backend() == "jax"
name, place = sys.argv[1:]
"""

pytestmark = pytest.mark.skipif(PYTHON is None, reason='needs JAX: pip install "jax[cpu]", or set FER_TF_JAX_PYTHON')


def under_jax(code, name, folder):
    """Runs code with JAX as backend, unable to import TensorFlow; returns what it prints (JSON), and its arrays."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(Path(fer_tf.__file__).parent.parent),
        "FER_TF_REPORTS": str(folder / "reports"),
        "FER_TF_MODELS": str(folder / "models"),
    }
    command = [PYTHON, "-c", START + code, name, str(folder / "out")]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    with np.load(folder / "out.npz") as file:
        return json.loads(result.stdout.strip().splitlines()[-1]), dict(file)
