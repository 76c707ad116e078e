"""FERG-DB (Aneja et al. 2016): 55,767 drawn faces of six stylised characters, seven emotions.

Layout: `FERG_DB_256/<character>/<character>_<emotion>/*.png`.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError
from ...emotions import EMOTIONS, canonical_emotion
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..folders import class_folders, counts_text, labelled_table, list_files, list_images, missing_data
from ..splits import mark_held_out, naming
from ..stores import image_store

CLASS_NAMES = EMOTIONS[:7]
CHARACTERS = ("aia", "bonnie", "jules", "malcolm", "mery", "ray")
TEST_CHARACTERS = ("mery", "ray")
PUBLISHED = 55767
RANDOM_SIZES = {"train": 36500, "val": 6647, "test": 12620}
PROTOCOLS = {
    "characters": "train aia bonnie jules malcolm (10 % of it val, stratified), test mery ray: characters never seen",
    "random": "document [3]'s 36,500/6,647/12,620, drawn from all: every character is in every split",
}
HOW_TO_GET = (
    "https://grail.cs.washington.edu/projects/deepexpr/ferg-2d-db.html (by request): put the folder FERG_DB_256 "
    "into {root}"
)


def load(root: Path, protocol: str, seed: int, image_size: int = 48, stream: bool | None = None) -> FaceDataset:
    """Loads FERG from `root`; see `load_dataset`. 7 classes, uint8 [N, image_size, image_size, 3].

    Args:
        root, protocol, seed: the ferg folder, "characters" or "random", seed of val, or of all splits ("random").
        image_size: side in pixels (256 as published).
        stream: see `image_store`.
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    table, paths = labelled_table(root, _pictures(root), CLASS_NAMES)
    table["split"] = _characters(table, seed) if protocol == "characters" else _random(len(table), seed)
    notes = [] if protocol == "characters" else ["drawn from all: every character is in several splits"]
    deviation = "" if len(table) == PUBLISHED else f"this copy of FERG has {len(table):,} images, not 55,767"
    store = image_store(paths, (image_size, image_size), 3, stream)
    source = listing_fingerprint(root, paths)
    return FaceDataset("ferg", protocol, CLASS_NAMES, table, store, notes, source, deviation=deviation)


def _pictures(root):
    """DataFrame of path, emotion and subject (character); an unknown character or emotion raises."""
    home = root / "FERG_DB_256"
    if not home.is_dir():
        raise missing_data(f"ferg: there is no {home}", root, HOW_TO_GET)
    rows = []
    loose = [path for path in list_files(home) if len(path.relative_to(home).parts) < 3]
    if loose:
        raise DataError(f"{loose[0]}: is outside <character>/<character>_<emotion>/; move it away")
    for character in class_folders(home):
        if character.name not in CHARACTERS:
            raise DataError(f"{character}: unknown character; allowed are {', '.join(CHARACTERS)}")
        for folder in class_folders(character):
            emotion = _emotion(folder, character.name)
            rows += [(image, emotion, character.name) for image in list_images(folder)]
    if not rows:
        raise DataError(f"{home}: holds no picture")
    return pd.DataFrame(rows, columns=["path", "emotion", "subject"])


def _emotion(folder, character):
    prefix, _, name = folder.name.partition("_")
    try:
        emotion = canonical_emotion(name)
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from None
    if prefix != character or emotion not in CLASS_NAMES:
        raise DataError(f"{folder}: must be called {character}_<emotion>, one of {', '.join(CLASS_NAMES)}")
    return emotion


def _characters(table, seed):
    split = np.where(table["subject"].isin(TEST_CHARACTERS), "test", "train").astype(object)
    if not {"train", "test"} <= set(split):
        names = ", ".join(sorted(table["subject"].unique()))
        raise DataError(f"ferg: protocol characters tests on {', '.join(TEST_CHARACTERS)}; this copy has {names}")
    with naming("ferg"):
        mark_held_out(split, table["label"].to_numpy(), "val", seed)
    return split


def _random(count, seed):
    """Document [3]'s sizes; the same shares for a copy with fewer images."""
    bounds = np.round(np.cumsum(list(RANDOM_SIZES.values())) * count / PUBLISHED).astype(int)
    split = np.full(count, "test", object)
    order = np.random.default_rng(seed).permutation(count)
    split[order[: bounds[0]]] = "train"
    split[order[bounds[0] : bounds[1]]] = "val"
    return split


def check(root: Path) -> list[str]:
    """Lists which parts of FERG are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    characters = _pictures(root)["subject"]
    return [f"{root / 'FERG_DB_256'}: {counts_text(characters, sorted({*characters}))}"]


SPEC = DatasetSpec(
    load=load,
    title="FERG-DB: six stylised characters",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="55,767",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by request",
    paper_name="FERG",
    honest_protocol="characters",
    check=check,
    traps=(
        "Frames of one animation are nearly equal: a random split is close to testing on training images (100 %).",
        "Drawings: results on it say little about photographs.",
    ),
)
