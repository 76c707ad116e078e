"""Imports run one way: no circle among modules or folders, and a package that is cheap to import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fer_tf

PACKAGE = Path(fer_tf.__file__).parent


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in PACKAGE.rglob("*.py")}
# These two are above all others: they import by name what a user asks for.
ENTRANCES = {"", "__main__"}


def imported_modules(name):
    """Modules of the package that a file imports, also inside functions."""
    path = FILES[name]
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            own = [alias.name.split(".", 1) for alias in node.names if alias.name.split(".")[0] == "fer_tf"]
            yield from (rest[0] for _, *rest in own if rest)
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            source = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
        elif (node.module or "").split(".")[0] == "fer_tf":
            source = node.module.split(".")[1:]
        else:
            continue
        source = ".".join(part for part in source if part)
        for alias in node.names:
            inner = f"{source}.{alias.name}".strip(".")
            yield inner if inner in FILES else source


def outside_packages(path):
    """Names of the outside packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


MODULES = {name: set(imported_modules(name)) - {name} for name in FILES if name not in ENTRANCES}
FOLDERS = {}
for _name, _imported in MODULES.items():
    _folder = _name.split(".")[0]
    FOLDERS.setdefault(_folder, set()).update({other.split(".")[0] for other in _imported} - {_folder})


def circle(graph):
    """The names on a circle of imports, in order; [] if there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in graph:
            return []
        path.append(name)
        for other in sorted(graph[name]):
            found = visit(other)
            if found:
                return found
        path.pop()
        done.add(name)
        return []

    return next((found for found in map(visit, sorted(graph)) if found), [])


def test_the_search_finds_a_circle():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("graph", [MODULES, FOLDERS], ids=["modules", "folders"])
def test_imports_run_one_way(graph):
    """Without a circle among folders there is an order in which each imports only what is below it."""
    assert len(graph) > 10
    assert circle(graph) == []


# From the ground up. A folder imports only what is on a lower level (CONTRIBUTING, "Where things go").
LEVELS = (
    ("common",),
    ("layers", "plots", "emotions"),
    ("losses", "models", "data"),
    ("experiments", "evaluation", "saving"),
    ("runs", "explain"),
    ("training", "predict"),
    ("cli",),
)


def test_no_import_goes_up():
    level = {folder: number for number, folders in enumerate(LEVELS) for folder in folders}
    assert set(level) == set(FOLDERS)
    pairs = [(name, other) for name, others in FOLDERS.items() for other in others - {""}]
    assert [(name, other) for name, other in pairs if level[other] >= level[name]] == []


def test_data_and_models_never_meet_and_evaluation_knows_no_keras():
    for folder, forbidden in (("data", "models"), ("models", "data"), ("layers", "models"), ("evaluation", "models")):
        assert forbidden not in FOLDERS[folder]
    files = [path for name, path in FILES.items() if name.split(".")[0] == "evaluation"]
    assert not [path for path in files if {"keras", "tensorflow"} & {*outside_packages(path)}]


def test_tensorflow_is_imported_in_few_places():
    """Models, layers and losses must run on any Keras backend."""
    folders = {name.split(".")[0] for name, path in FILES.items() if "tensorflow" in outside_packages(path)}
    assert folders <= {"data", "explain", "saving", "runs", "training"}
    assert not folders & {"models", "layers", "losses"}


def test_ray_is_imported_in_one_place():
    """It is an optional package: all other code asks `common.cluster`."""
    assert [name for name, path in FILES.items() if "ray" in outside_packages(path)] == ["common.cluster"]


def test_the_root_holds_three_subjects_and_folders():
    """One subject per folder: a new module goes into one."""
    files = {path.name for path in PACKAGE.glob("*.py")}
    assert files == {"__init__.py", "__main__.py", "losses.py", "plots.py", "emotions.py"}


def has_logic(path):
    """True for a module with a function; a table of settings or constants is tested through what uses it."""
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def test_each_module_with_logic_has_the_test_file_of_its_name():
    """`fer_tf/<folder>/<module>.py` is tested in `tests/<folder>/test_<module>.py`, so that both are found at once."""
    modules = {path.relative_to(PACKAGE) for path in FILES.values() if path.name != "__init__.py" and has_logic(path)}
    assert len(modules) > 100
    tests = Path(__file__).parent
    assert [str(path) for path in sorted(modules) if not (tests / path.with_name(f"test_{path.name}")).is_file()] == []


def test_importing_the_package_and_its_data_brings_no_tensorflow():
    code = (
        "import fer_tf, fer_tf.data, sys; fer_tf.EMOTION_LABELS; print([m for m in sys.modules if m == 'tensorflow'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
