"""Short fingerprints of code, JSON content and files."""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def code_fingerprint(modules: Iterable) -> str:
    """Hash of what code does. Only changes of behaviour change it.

    It ignores comments, docstrings, type hints, imports, the order of definitions, and the package's module names
    before a dot. Code can be explained, annotated and moved to other files, and its earlier results stay valid. So can
    calls of `fer_tf.common.sharing`, which share the work among devices, be added.

    Args:
        modules: modules, or paths of Python files.
    Returns: 16 hexadecimal digits.
    """
    definitions = []
    for module in modules:
        path = Path(getattr(module, "__file__", module))
        status = path.stat()
        definitions += _definitions(path, status.st_mtime_ns, status.st_size)
    return hashlib.sha256("\n".join(sorted(definitions)).encode()).hexdigest()[:16]


@functools.cache
def _definitions(path, changed, size):
    """The definitions of a file as text, as `_Behaviour` leaves them; `changed` and `size` are keys of the cache."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree = _Behaviour(tree).visit(tree)
    return [ast.unparse(ast.fix_missing_locations(node)) for node in tree.body]


class _Behaviour(ast.NodeTransformer):
    """Removes the parts of a syntax tree that do not change what the code does."""

    def __init__(self, tree):
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        own = [node for node in imports if node.level or (node.module or "").split(".")[0] == "fer_tf"]
        self.names = {alias.asname or alias.name: alias.name for node in own for alias in node.names}

    def visit_Import(self, node):
        return None

    visit_ImportFrom = visit_Import

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node):
        """Fills a body that only held what was removed."""
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    visit_ClassDef = visit_With = visit_Try = visit_If

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.visit_If(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        bare = ast.Name("field", ast.Load())
        return ast.Assign([node.target], node.value) if node.value else ast.Expr(ast.Tuple([bare, node.target]))

    def visit_Call(self, node):
        """Replaces `sharing.function(x, ...)` by x, which it returns on one device: see `common.sharing`."""
        function = node.func
        is_sharing = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
        if is_sharing and node.args and self.names.get(function.value.id) == "sharing":
            return self.visit(node.args[0])
        return self.generic_visit(node)

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_Attribute(self, node):
        """Replaces `module.name` by `name`, for modules of the package."""
        if isinstance(node.value, ast.Name) and node.value.id in self.names and node.value.id.islower():
            return ast.Name(node.attr, node.ctx)
        return self.generic_visit(node)


def fingerprint(content: object) -> str:
    """Hash of JSON content: 16 hexadecimal digits. The order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def file_fingerprint(path: str | Path) -> str:
    """SHA-256 of a file's bytes: 64 hexadecimal digits (0.3 s for FER2013's 301 MB)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
