"""What a run was made with: revision, package versions, device and memory."""

import contextlib
import functools
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..common import sharing
from ..common.paths import project_root

_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "opencv-python-headless")


def environment() -> dict:
    """Revision, versions and device of a run, as a dict; also `onednn`, which rounds differently from Eigen.

    A training on several devices also has their number, and that of hosts.
    """
    return {
        "revision": git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
        "device": device_name(),
        "cores": os.cpu_count(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0",
        **sharing.about(),
    }


def package_versions() -> dict:
    """Versions of the packages that figures depend on."""
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


@functools.cache
def git_revision() -> str:
    """Short revision of the checkout, "+changes" if its tracked files differ, "unknown" without git.

    It is read once in a process: the process keeps the code that it has loaded.
    """
    try:
        revision = _git("rev-parse", "--short", "HEAD")
        return revision + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments):
    command = ["git", "-C", str(project_root()), *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True)
    return done.stdout.strip()


def device_name() -> str:
    """The accelerator's name, or the processor's."""
    if has_accelerator():
        import keras

        return f"{keras.distribution.list_devices()[0]}"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def has_accelerator() -> bool:
    """True if Keras's backend sees a GPU or TPU."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))
    return any(name in device for device in keras.distribution.list_devices() for name in ("gpu", "cuda", "tpu"))


def peak_memory_mb() -> int | None:
    """The process's highest resident memory so far, in MB (10^6 bytes); None if the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6)
