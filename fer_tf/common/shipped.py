"""Model files that ship: each has a record of what was measured on it, with the checksum of the measured file."""

import json
from collections.abc import Iterable
from pathlib import Path

from .checks import ModelFileError
from .files import write_text
from .hashes import file_fingerprint


def check_shipped(path: Path, record: Path) -> None:
    """Checks that a file is the one that was measured.

    Args:
        path: the file.
        record: its record, a JSON file with `sha256`.
    Raises: `ModelFileError` if the checksum differs.
    """
    if file_fingerprint(path) != json.loads(record.read_text(encoding="utf-8"))["sha256"]:
        raise ModelFileError(
            f"{path}: is not the file that {record.name} describes (its SHA-256 differs); "
            f"`git checkout {path.name}` in {path.parent} restores it"
        )


def write_checksums(folder: Path, shipped: Iterable[dict]) -> None:
    """Writes SHA256SUMS (for `sha256sum -c`) into a folder, from the records of its files (`file` and `sha256`)."""
    write_text(folder / "SHA256SUMS", "".join(f"{record['sha256']}  {record['file']}\n" for record in shipped))
