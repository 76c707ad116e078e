"""Everything tests write goes to temporary folders; tiny datasets and models that many tests share."""

import os
import shutil
import tempfile
from pathlib import Path

# Tests write thousands of small files, which takes several times as long on a disk as in memory.
_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4e9:
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None
# Before the package is used: no test may read or write the checkout's reports, models or caches.
_HOME = Path(tempfile.mkdtemp(prefix="fer_tf_tests_"))
for _name in ("reports", "models", "cache"):
    os.environ[f"FER_TF_{_name.upper()}"] = str(_HOME / _name)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tests compile each step once and run it a few times: XLA's optimisations take longer than they save.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ.pop("FER_TF_DATA", None)

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import fer_tf  # noqa: E402, F401 - before a test file imports Keras: it says how TensorFlow is to compute


def pytest_sessionfinish():
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def quiet_backend():
    """Keeps TensorFlow's start-up notes out of the test log."""
    from fer_tf.common.quiet import import_keras

    import_keras()


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    """Empty reports and models folders for one test."""
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "models"))
    return tmp_path


@pytest.fixture
def backbones_home(tmp_path, monkeypatch):
    """Models and cache of one test of pretrained backbones."""
    from fer_tf.training import pretraining

    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "models"))
    (tmp_path / "models" / "bundled" / "backbones").mkdir(parents=True)
    monkeypatch.setattr(pretraining, "UNSEEN", 100)
    return tmp_path


@pytest.fixture(autouse=True)
def runs_without_figures(request, monkeypatch):
    """Drawing a run's figures takes as long as a small training: only tests marked `figures` do it."""
    if not request.node.get_closest_marker("figures"):
        monkeypatch.setattr("fer_tf.runs.evaluate._save_figures", lambda *_: None)


@pytest.fixture(scope="module")
def untraced():
    """Models compute as they are written. Tracing a graph takes longer than the few steps and answers of most tests."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def untraced_here():
    """As `untraced`, for one test of a file whose other tests need graphs."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def tiny_faces():
    """A small synthetic dataset: 400 drawn faces of 20 people, 8 classes."""
    from fer_tf.data import load_dataset

    return load_dataset("synthetic", count=400)


@pytest.fixture(scope="session")
def fer2013_root(tmp_path_factory):
    """A data_dir with fer2013/fer2013.csv: drawn faces, 20 Training, 5 PublicTest, 5 PrivateTest a class."""
    from fer_tf.data.drawn_faces import draw_faces
    from fer_tf.data.sets.fer2013 import CLASS_NAMES

    usages = ["Training"] * 20 + ["PublicTest"] * 5 + ["PrivateTest"] * 5
    emotions = [name for _ in usages for name in CLASS_NAMES]
    images = draw_faces(len(emotions), seed=1, emotions=emotions).images.reshape(len(emotions), -1)
    root = tmp_path_factory.mktemp("data")
    (root / "fer2013").mkdir()
    with open(root / "fer2013" / "fer2013.csv", "w") as file:
        file.write("emotion,pixels,Usage\n")
        for row, (emotion, pixels) in enumerate(zip(emotions, images, strict=True)):
            text = " ".join(map(str, pixels))
            file.write(f"{CLASS_NAMES.index(emotion)},{text},{usages[row // len(CLASS_NAMES)]}\n")
    return root


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory):
    """A saved, untrained 48×48×1 CNN with FER2013's seven classes."""
    import keras

    from fer_tf.emotions import EMOTIONS
    from fer_tf.models import build_model
    from fer_tf.saving import save_model

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("models") / "tiny.h5"
    save_model(build_model("cnn", (48, 48, 1), 7, width=0.1), path, EMOTIONS[:7])
    return path


@pytest.fixture(scope="session")
def pictures(tiny_faces):
    """Pictures to export a model with; tests that use them skip without the packages of `make extras`."""
    from exports import some_pictures

    return some_pictures(tiny_faces)


@pytest.fixture(scope="session")
def decided(pictures):
    """A small model with clear answers; tests do not change it."""
    from exports import decided_model

    return decided_model(pictures)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, decided, pictures):
    """dict form -> the export of `decided`; tests copy a file before they change it."""
    from exports import NAMES

    from fer_tf.saving.export import export_model

    folder = tmp_path_factory.mktemp("exported")
    for form, name in NAMES.items():
        export_model(decided, folder / name, form, pictures=pictures)
    return {form: folder / name for form, name in NAMES.items()}


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(0)


# Folders whose files take longest; the last files must be short, or one process ends long before the other.
LONGEST_FIRST = ("notebooks", "contracts", "training", "runs")
# These chapters train and read the same runs; see tests/notebooks/test_notebooks.py.
SHARE_RUNS = ("02_", "05_", "06_", "07_", "08_", "09_", "10_")


def pytest_collection_modifyitems(items):
    """Runs the chapters first and then the folders of the longest tests."""
    last = len(LONGEST_FIRST)
    order = {folder: number for number, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.parent.name, last))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Several processes share the chapters; chapters with the same runs stay in one process.

    So do the tests of any other file, with their fixtures.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ChaptersApart(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if "::test_chapter_runs" not in nodeid:
                return nodeid.split("::")[0]
            return "chapters that share runs" if any(f"[{start}" in nodeid for start in SHARE_RUNS) else nodeid

    return ChaptersApart(config, log)
