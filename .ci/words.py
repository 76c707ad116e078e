"""Counts words that make prose hard to read for a second-language student, and fails where there are too many.

    python .ci/words.py [--list]

It reads comments and strings of Python files, the text cells of notebooks and all Markdown files.
"""

import io
import json
import re
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = (
    "told",
    "stands",
    "anew",
    "mended",
    "mends",
    "gone on",
    "goes on",
    "so many",
    "beside",
    "thereof",
    "whom",
)
# A handful may stay: some are the right word in their place.
ALLOWED = 8
CODE = ("fer_tf/**/*.py", "tests/**/*.py", "benchmarks/*.py", "notebooks/*.ipynb")
PLACES = (*CODE, "*.md", "*/*.md", "fer_tf/**/*.md", "fer_tf/**/*.j2")
PATTERN = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)


def main() -> int:
    """Prints the counts; 1 if they are too high."""
    hits = [(path, line, word) for path in files() for line, text in prose(path) for word in PATTERN.findall(text)]
    if "--list" in sys.argv:
        for path, line, word in hits:
            print(f"{path.relative_to(ROOT)}:{line}: {word}")
    if len(hits) <= ALLOWED:
        return 0
    print(f"{len(hits)} hard words in prose, {ALLOWED} are allowed (python .ci/words.py --list shows them)")
    return 1


def files():
    """All files with prose that this project wrote; what runs write is left out."""
    found = {path for place in PLACES for path in ROOT.glob(place)}
    return sorted(path for path in found if not {".venv", "data"} & set(path.relative_to(ROOT).parts[:1]))


def prose(path):
    """(line number, text) of what a person reads in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
        return [(token.start[0], token.string) for token in tokens if token.type in kinds]
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return [(number, "".join(cell["source"])) for number, cell in enumerate(cells, start=1)]
    return list(enumerate(text.splitlines(), start=1))


if __name__ == "__main__":
    sys.exit(main())
