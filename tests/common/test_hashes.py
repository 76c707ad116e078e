"""The fingerprint of code follows what code does, and not how it is explained or where it is."""

import pytest

from fer_tf.common.hashes import code_fingerprint

CODE = '''"""What this is for."""
from . import records
from .checks import check as checked

LIMIT = 3

class Settings:
    """Of a run."""

    size: int = 3

def first(value: int, low: int = 2) -> int:
    """Explains it."""
    return records.second(checked(value))  # why

def third():
    return 1
'''
MOVED = (
    """from ..common.checks import check
from .elsewhere import second

class Settings:
    size = 3

def first(value, low=2):
    return second(check(value))
""",
    '''LIMIT = 3

def third() -> int:
    """Is in a file of its own now."""
    return 1
''',
)


def fingerprint_of(folder, *texts):
    paths = [folder / f"{number}.py" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return code_fingerprint(paths)


def test_explained_annotated_and_moved_code_is_the_same(tmp_path):
    assert fingerprint_of(tmp_path, CODE) == fingerprint_of(tmp_path, *MOVED) == fingerprint_of(tmp_path, *MOVED[::-1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 1", "return 2"),
        ("low: int = 2", "low: int = 3"),
        ("size: int = 3", "size: int = 4"),
        ("= 3\n\n", "= 4\n\n"),
    ],
)
def test_changed_code_is_another(tmp_path, old, new):
    assert old in CODE
    assert fingerprint_of(tmp_path, CODE) != fingerprint_of(tmp_path, CODE.replace(old, new, 1))


def test_the_fingerprint_of_drawn_faces_covers_the_drawing_code():
    """A folder that is not found would give the fingerprint of nothing."""
    from fer_tf.data.sets import synthetic

    assert len(synthetic.drawing_code()) > 5


def test_sharing_work_among_devices_is_the_same_code(tmp_path):
    """A call of `sharing` is read as its first argument; one of anything else is not."""
    code = "def step(rows):\n    return model(rows), len(rows)\n"
    imported = (
        "from ..common import {0}\n\ndef step(rows):\n    return {0}.share((model({0}.share(rows)), len(rows)), 3)\n"
    )
    assert fingerprint_of(tmp_path, code) == fingerprint_of(tmp_path, imported.format("sharing"))
    assert fingerprint_of(tmp_path, code) != fingerprint_of(tmp_path, imported.format("scaling"))
    another = imported.format("sharing").replace("model(", "other(")
    assert fingerprint_of(tmp_path, code) != fingerprint_of(tmp_path, another)
    without = imported.format("sharing").replace("(model(sharing.share(rows)), len(rows)), 3", "")
    assert fingerprint_of(tmp_path, code) != fingerprint_of(tmp_path, without)
    foreign = imported.format("sharing").replace("..common", "somewhere")
    assert fingerprint_of(tmp_path, code) != fingerprint_of(tmp_path, foreign)
