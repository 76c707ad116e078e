"""Predicts very many pictures on a cluster, into a folder of files with some pictures each: the shards.

    scores/_job.json                   the job: model, settings, files
    scores/_journal.jsonl              a line for each finished shard
    scores/part-000000.csv             (or .parquet) the rows of the first pictures; together they are `predict`'s csv
    scores/part-000001.csv …

A shard appears when it is complete, and the same call makes those that are missing. A picture that cannot be read is a
row with an error, as in `predict_files`. Readers of a folder of Parquet files skip names that begin with _.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from ..common.checks import InputError, check_choice, check_whole
from ..common.cluster import Cluster, need_file
from ..common.files import read_json, replacing, write_json
from ..common.hashes import fingerprint
from ..common.text import shown_path
from .inputs import is_film
from .predict_files import FileStream, recognizer_facts
from .recognizer import EmotionRecognizer
from .resumable_csv import write_rows

FORMATS = ("csv", "parquet")
SHARD_FILES = 1024
JOB, JOURNAL = "_job.json", "_journal.jsonl"
# Failed pictures of a shard that are named in the journal; the shard itself has all of them.
_NAMED = 10


class ShardedSummary(NamedTuple):
    """What `predict_shards` did.

    Attributes:
        pictures, rows, failed: numbers of pictures, of rows, and of pictures that could not be read, in all shards.
        shards: the number of shards.
        new: the number of those that this call made.
        first_failed: (path, error) of some of the failed pictures, at most ten of each shard.
    """

    pictures: int
    rows: int
    failed: int
    shards: int
    new: int
    first_failed: list[tuple[str, str]]


def predict_shards(
    arguments: dict[str, Any],
    files: Sequence[str | Path],
    out: str | Path,
    cluster: Cluster,
    form: str = "csv",
    shard_files: int = SHARD_FILES,
    workers: int | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> ShardedSummary:
    """Predicts pictures on a cluster and writes their rows in shards. A stopped call is resumed by the same call.

    Each process of the cluster loads the model once. A shard whose process was killed is made again. Pictures are
    read by the processes, so the computers must see them under the same paths.

    Args:
        arguments: of `EmotionRecognizer`, by name.
        files: paths and addresses of pictures. The order decides which shard has which picture.
        out: the folder to write: a new one, or that of an earlier call with the same arguments.
        cluster: the cluster.
        form: "csv" or "parquet". Parquet has the numbers as they are, the csv as in `ResumableCsv`.
        shard_files: pictures in a shard, at least 1.
        workers: largest number of processes; None for as many as fit.
        progress: show a progress bar.
        say: function that receives messages.
    Returns: `ShardedSummary`.
    Raises: `InputError` for films, for wrong arguments, or if the folder holds something else.
    """
    check_choice("shard_format", form, FORMATS)
    check_whole("shard_files", shard_files, 1)
    names, out = _checked(files), Path(out)
    recognizer = EmotionRecognizer(**arguments)
    job = fingerprint([*recognizer_facts(recognizer), recognizer.columns, _digest(names)])
    _bind(out, {"job": job, "files": len(names), "shard_files": shard_files, "format": form})
    starts = range(0, len(names), shard_files)
    done = {number: line for number, line in _journal(out).items() if _shard(out, number, form).is_file()}
    missing = [
        {"number": number, "files": names[start : start + shard_files]}
        for number, start in enumerate(starts)
        if number not in done
    ]
    if done:
        say(f"{out}: resumes after {len(done):,} of {len(starts):,} shards")
    each = {"arguments": arguments, "out": os.path.abspath(out), "form": form, "job": job}
    before = sum(line["pictures"] for line in done.values())
    with tqdm(total=len(names), initial=before, disable=not progress, unit="file") as bar:
        for line in cluster.each(ShardWriter, each, missing, workers):
            done[line["number"]] = line
            _log(out, line)
            bar.update(line["pictures"])
    return _summary(done, len(missing))


def _checked(files):
    """The names of the pictures as text; raises `InputError` for a film or none."""
    names = [os.fspath(file) for file in files]
    film = next((name for name in names if is_film(name)), None)
    if film is not None:
        raise InputError(
            f"{shown_path(film)}: is a film; a cluster predicts pictures. Predict it without --cluster, or write its "
            "frames as pictures first (fer-tf data frames)"
        )
    if not names:
        raise InputError("files: no files found")
    return names


def _digest(names):
    """A hash of a list of names, which may be too long to be joined to one text."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _bind(out, job):
    """Makes the folder the place of this job; raises `InputError` if it holds another one, or other files."""
    if out.exists() and not out.is_dir():
        raise InputError(f"out: {out} is a file; with --cluster give a folder for the shards")
    stored = read_json(out / JOB)
    if stored and stored != job:
        differing = [key for key in job if key != "job" and stored.get(key) != job[key]]
        what = ", ".join(differing) or "the model, its settings or the list of files"
        raise InputError(f"out: {out} holds shards of another prediction ({what} differ); give another folder")
    if not stored and out.is_dir() and any(out.iterdir()):
        raise InputError(f"out: {out} is not empty and holds no shards; give a new or empty folder")
    if not stored:
        write_json(out / JOB, job)


def _shard(out, number, form):
    return Path(out) / f"part-{number:06d}.{form}"


def _journal(out):
    """The lines of the finished shards by number; a line that was cut off by a kill is ignored."""
    lines = {}
    path = out / JOURNAL
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
            lines[line["number"]] = line
        except (ValueError, KeyError, TypeError):
            continue
    return lines


def _log(out, line):
    with open(out / JOURNAL, "a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(line))  # a killed call may have left half a line without a line end


def _summary(done, new):
    lines = [done[number] for number in sorted(done)]
    counts = (sum(line[key] for line in lines) for key in ("pictures", "rows", "failed"))
    named = [(path, error) for line in lines for path, error in line["named"]]
    return ShardedSummary(*counts, len(lines), new, named)


class ShardWriter:
    """Predicts the pictures of shards and writes them, in a process of a cluster; holds the model.

    Args:
        arguments: of `EmotionRecognizer`.
        out: the folder.
        form: "csv" or "parquet".
        job: the job that the folder must hold.
    Raises: `InputError` if this computer does not see the folder.
    """

    def __init__(self, arguments: dict[str, Any], out: str, form: str, job: str) -> None:
        need_file(Path(out) / JOB, "--out")
        if read_json(Path(out) / JOB).get("job") != job:
            raise InputError(f"out: {out} now holds another prediction")
        self.out, self.form = out, form
        self.recognizer = EmotionRecognizer(**arguments)

    def __call__(self, part: dict[str, Any]) -> dict[str, Any]:
        """Makes a shard.

        Args:
            part: "number" of the shard and its "files".
        Returns: dict: number, pictures, rows, failed (numbers of each), named ((path, error) of some failed pictures).
        """
        stream = FileStream(self.recognizer, part["files"])
        table = pd.concat([rows for rows, _ in stream.batches()], ignore_index=True)
        with replacing(_shard(self.out, part["number"], self.form)) as path:
            if self.form == "parquet":
                table.to_parquet(path, index=False)
            else:
                with open(path, "w", newline="", encoding="utf-8") as file:
                    write_rows(file, table, stream.columns, with_header=True)
        failed = table[table["error"] != ""]
        named = failed[["path", "error"]].head(_NAMED).to_numpy().tolist()
        counts = {"pictures": len(part["files"]), "rows": len(table), "failed": len(failed)}
        return {"number": part["number"], **counts, "named": named}
