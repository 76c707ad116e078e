"""The house stands on imports that run one way, and on a package that is cheap to import."""

import ast
import subprocess
import sys
from pathlib import Path

import fer_tf

PACKAGE = Path(fer_tf.__file__).parent
# Lower floors know nothing of higher ones.
FLOORS = [
    {"emotions", "paths", "checks", "quiet", "hashes", "safe_text", "smoothing"},
    {"data", "layers"},
    {"models", "losses", "gradients", "sources", "bundled"},
    {
        "explain",
        "doctor_sheet",
        "saving",
        "runlog",
        "experiment",
        "recipes",
        "experiments",
        "inference",
        "plots",
        "explain_plots",
        "evaluation_plots",
        "annotate",
        "timeline",
        "resumable_csv",
        "evaluation",
    },
    {"scoring", "keeper", "identities", "compiling", "precision", "teachers"},
    {"facenets"},
    {"feature_matching"},
    {"fitting"},
    {"training", "classical"},
    {"search", "search_spaces", "search_trials", "search_plots", "ensemble"},
    {"queue_file"},
    {"queueing"},
    {"report_tables"},
    {"runtimes"},
    {"model_writers"},
    {"export"},
    {"predict_runtime"},
    {"predict", "predict_video", "predict_files", "report", "explain_files", "bundling"},
    {"release", "notebooks", "demo"},
    {"demo_page", "try_it"},
    {"demo_server"},
    {"cli", "__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def imported_parts(path):
    """Top-level parts of the package that a file imports, also inside functions."""
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            yield from [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.startswith("fer_tf."):
            yield node.module.split(".")[1]


def imported_packages(path):
    """Names of the outside packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_imports_run_one_way():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        wrong += [
            f"{path.name} imports {name}"
            for name in imported_parts(path)
            if name in FLOOR and name != part and FLOOR[name] > FLOOR[part]
        ]
    assert not wrong


def test_every_part_has_a_floor():
    parts = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__pycache__", "templates"} == set(FLOOR)


def test_data_and_models_never_meet_and_evaluation_knows_no_keras():
    for part, forbidden in (("data", "models"), ("models", "data"), ("layers", "models"), ("evaluation", "models")):
        assert not [path for path in (PACKAGE / part).rglob("*.py") if forbidden in imported_parts(path)]
    assert not [
        path for path in (PACKAGE / "evaluation").rglob("*.py") if {"keras", "tensorflow"} & {*imported_packages(path)}
    ]


def test_tensorflow_is_imported_in_few_places():
    """Models, layers and losses must run on any Keras backend."""
    places = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "tensorflow" in imported_packages(path)
    }
    assert places == {"data/tf_pipeline.py", "gradients.py", "model_writers.py", "runlog.py"}


def test_importing_the_package_brings_nothing_heavy_and_its_data_no_tensorflow():
    code = (
        "import fer_tf, sys; fer_tf.EMOTION_LABELS; print({'tensorflow', 'keras', 'pandas'} & {*sys.modules});"
        "import fer_tf.data; print({'tensorflow'} & {*sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["set()", "set()"]
