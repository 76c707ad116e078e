"""Every public function says which types it takes and returns, and the package says that it has them."""

import ast
from pathlib import Path

import pytest

import fer_tf

PACKAGE = Path(fer_tf.__file__).parent
FOLDERS = sorted({path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")})


def public_functions(body):
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def has_hints(function):
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
    return function.returns is not None and all(argument.annotation is not None for argument in named)


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_functions_have_type_hints(folder):
    files = [PACKAGE / folder] if folder.endswith(".py") else sorted((PACKAGE / folder).rglob("*.py"))
    bare = [
        f"{path.relative_to(PACKAGE)}:{function.lineno} {function.name}"
        for path in files
        for function in public_functions(ast.parse(path.read_text(encoding="utf-8")).body)
        if not has_hints(function)
    ]
    assert bare == []


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
