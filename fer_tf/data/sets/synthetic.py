"""Synthetic faces, drawn by the kit itself: it runs anywhere, and the truth about every image is known.

The drawing code is in `drawn_faces`. Splits are by identity: no face of train is in val or test. Results on these faces
say nothing about real ones.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...common.checks import InputError, check_choice, check_whole
from ...common.hashes import code_fingerprint
from ...emotions import AFFECT, EMOTIONS, TARGETS, VALENCE_AROUSAL, SecondOutput
from .. import drawn_faces
from ..base import DatasetSpec, FaceDataset
from ..cache import cached_arrays
from ..drawn_face_parts import region_masks
from ..drawn_faces import ACTION_UNITS, DIFFICULTIES, draw_faces
from ..drawn_faces.units import ACTIVE
from ..splits import group_split
from ..stores import ArrayImages

COUNT = 3800
PER_IDENTITY = 20
SHARES = {"train": 0.65, "val": 0.1, "test": 0.25}
LABEL_MODES = {
    "majority": "the emotion with most votes of the raters",
    "soft": "their votes as a distribution",
    "multilabel": "all emotions with at least 30 % of the votes, for the loss multitarget: each of them is right",
}
PROTOCOLS = {"identity": "split by identity: 65 % train, 10 % val, 25 % test"}


def load(
    root: Path,
    protocol: str,
    seed: int,
    count: int = COUNT,
    image_size: int = 48,
    difficulty: str = "default",
    raters: int = 0,
    label_mode: str = "majority",
    targets: str = "expression",
) -> FaceDataset:
    """Draws `count` faces (cached after the first time); see `load_dataset`. 8 classes, uint8 [count, S, S, 1].

    With raters, the labels of the training faces are their votes (see `rater_votes`), and the table has the counts in
    its `votes` columns. The labels of val and test stay what was drawn.

    Args:
        root, protocol, seed: not used (the faces come from code), "identity", seed of people and pictures.
        count: number of images, at least 40.
        image_size: side S in pixels, 16..1024.
        difficulty: a key of `drawn_faces.DIFFICULTIES`.
        raters: number of simulated people who label each training face; 0 gives the drawn emotion.
        label_mode: a key of `LABEL_MODES`; soft and multilabel need raters.
        targets: "expression"; "expression+valence_arousal", see `drawn_affect`; or "expression+action_units", the
            drawn strengths of the units (0..1), where AU12 and AU14 are also those of one side.
    Returns: `FaceDataset` with truth masks.
    Raises: `InputError` for a wrong argument.
    """
    check_whole("count", count, low=40)
    check_whole("image_size", image_size, low=16, high=1024)
    check_choice("difficulty", difficulty, DIFFICULTIES)
    check_whole("raters", raters, high=1000)
    check_choice("label_mode", label_mode, LABEL_MODES)
    check_choice("targets", targets, TARGETS)
    if label_mode != "majority" and not raters:
        raise InputError(f"label_mode: {label_mode} labels are votes of raters; give their number, as in raters=10")
    settings = {"count": count, "seed": seed, "size": image_size, "difficulty": difficulty}
    source = source_fingerprint(settings)
    arrays = cached_arrays("synthetic", source, lambda: _draw(settings))
    table = pd.DataFrame(json.loads(str(arrays["table"])))
    table.insert(0, "label", table["emotion"].map(EMOTIONS.index))
    table["subject"] = table["identity"]
    table["name"], table["drawn"] = [f"seed{seed}-{row}" for row in range(count)], range(count)
    table["split"] = group_split(table["identity"].to_numpy(), SHARES, seed)
    soft = _take_votes(table, raters, seed, label_mode) if raters else None
    store, truth = ArrayImages(arrays["images"]), functools.partial(_masks, settings)
    second = _second(table, targets)
    ds = FaceDataset("synthetic", protocol, EMOTIONS, table, store, source=source, truth=truth, second=second)
    return ds if label_mode == "majority" else replace(ds, probabilities=soft)


def _second(table, targets):
    """The second output; valence and arousal become columns of the table, where the units are already."""
    if targets == "expression":
        return None
    if targets == "expression+action_units":
        for unit in ("AU12", "AU14"):  # a face and its mirror image have the same units
            table[unit] = table[[unit, f"{unit}L", f"{unit}R"]].max(axis=1)
        return SecondOutput("action_units", tuple(unit for unit in ACTION_UNITS if unit[-1] not in "LR"), ACTIVE)
    affect = drawn_affect(table["emotion"], table["intensity"].to_numpy())
    table[list(VALENCE_AROUSAL.names)] = affect
    return VALENCE_AROUSAL


def drawn_affect(emotions: Sequence[str] | pd.Series, intensity: np.ndarray) -> np.ndarray:
    """Valence and arousal of drawn faces: the emotion's point in the circumplex (`AFFECT`) times the intensity.

    So a faint expression lies near neutral, (0, 0), as in Russell 1980, "A circumplex model of affect". A second
    emotion that is blended in does not count. These are values of drawings by a rule, not of what a person feels.

    Args:
        emotions: N names of `EMOTIONS`.
        intensity: float [N], 0..1.
    Returns: float32 [N, 2], valence and arousal, -1..1.
    """
    points = np.array([AFFECT[emotion] for emotion in emotions], np.float32).reshape(-1, 2)
    return points * np.asarray(intensity, np.float32)[:, None]


def rater_votes(labels: np.ndarray, intensity: np.ndarray, raters: int, seed: int = 0) -> np.ndarray:
    """What simulated people say of drawn faces: the fainter an expression is, the more often they err.

    A rater names the drawn emotion with probability 0.2 + 0.8 · intensity. Of the errors, half are "neutral" and the
    others any other emotion. Real raters err in a similar way: FER+'s disagree most on faint expressions.

    Args:
        labels: int [N], codes into EMOTIONS.
        intensity: float [N], 0..1; neutral faces count as 1.
        raters: number R of raters.
        seed: of the draws.
    Returns: int [N, 8], the votes for each emotion; each row's sum is R.
    """
    neutral = EMOTIONS.index("neutral")
    clear = np.where(labels == neutral, 1.0, intensity)
    error = 0.8 * (1 - clear)[:, None]
    truth = np.eye(len(EMOTIONS))[labels]
    others = (1 - truth) / (len(EMOTIONS) - 1)
    to_neutral = np.where((labels == neutral)[:, None], others, np.eye(len(EMOTIONS))[neutral])
    shares = (1 - error) * truth + error * (0.5 * to_neutral + 0.5 * others)
    return np.random.default_rng([seed, raters]).multinomial(raters, shares)


def _take_votes(table, raters, seed, label_mode):
    """Puts the raters' labels and votes into the table's training rows; returns soft labels [N, 8] of all rows."""
    votes = rater_votes(table["label"].to_numpy(), table["intensity"].to_numpy(), raters, seed)
    is_train = (table["split"] == "train").to_numpy()
    table["label"] = np.where(is_train, votes.argmax(axis=1), table["label"])
    table[[f"votes {name}" for name in EMOTIONS]] = votes
    one_hot = np.eye(len(EMOTIONS))[table["label"]]
    if label_mode == "multilabel":
        votes = np.where(votes >= 0.3 * raters, votes, 0)
    # where no emotion has 30 % of the votes, the one with most is right
    shares = np.where(votes.any(axis=1, keepdims=True), votes, one_hot)
    return np.where(is_train[:, None], shares / shares.sum(axis=1, keepdims=True), one_hot)


def _draw(settings):
    faces = draw_faces(**settings, identities=_people(settings))
    table = json.dumps(faces.table.to_dict(orient="list"))
    return {"images": faces.images, "table": np.array(table)}


def _people(settings):
    """Size of the pool of identities."""
    return max(20, settings["count"] // PER_IDENTITY)


def _masks(settings, table, regions=False):
    """Draws the pictures of these rows again, with their masks; see `FaceDataset.masks`."""
    if regions:
        region_settings = {key: settings[key] for key in ("seed", "size", "difficulty")}
        return region_masks(table["drawn"].to_numpy(), identities=_people(settings), **region_settings)
    options = {**settings, "count": 1, "identities": _people(settings), "masks": True}
    redrawn = [draw_faces(**options, start=int(row)) for row in table["drawn"]]
    none = np.zeros((0, settings["size"], settings["size"]), bool)
    return {
        truth: np.concatenate([none, *(getattr(faces, f"{truth}_masks") for faces in redrawn)])
        for truth in ("expression", "occluder", "face")
    }


def drawing_code() -> list[Path]:
    """The files of the drawing code, in a fixed order."""
    return sorted(Path(drawn_faces.__file__).parent.glob("*.py"))


def source_fingerprint(settings: dict[str, Any]) -> str:
    """Hash that changes with the settings, the drawing code and the drawing libraries."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(code_fingerprint(drawing_code()).encode())
    digest.update(f"{version('numpy')} {version('opencv-python-headless')}".encode())
    return digest.hexdigest()


def check(root: Path) -> list[str]:
    """One line of text: this dataset is always available."""
    return ["drawn by the kit; nothing to download"]


SPEC = DatasetSpec(
    load=load,
    title="synthetic: drawn faces with known truth, embedded",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images=f"{COUNT:,} (any number)",
    how_to_get="nothing to get: drawn on first use",
    licence="MIT, as the kit",
    paper_name="drawn faces",
    is_drawn=True,
    limits="drawn faces: what it says of real ones is worth nothing",
    check=check,
    traps=(
        "The faces are drawings: a result on them shows that code works and how models compare on known truth, "
        "but says nothing about real faces.",
        "Faint and occluded faces are hard on purpose; nobody can recognise some of them.",
    ),
)
