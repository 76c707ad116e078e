"""Spaces of settings to search through, each with its source, and how one is chosen or written. Plain data."""

import json
from dataclasses import dataclass
from pathlib import Path

from sklearn.model_selection import ParameterGrid, ParameterSampler

from ..common.checks import InputError, check_names, check_whole
from ..common.paths import expanded
from .resolve import parse_overrides
from .settings import Experiment


@dataclass(frozen=True)
class Space:
    """What is searched through.

    Attributes:
        name: for folders and messages.
        source: where it comes from.
        values: dict setting of `Experiment` -> list of its values.
    """

    name: str
    source: str
    values: dict

    def __len__(self):
        return len(ParameterGrid(self.values))

    def combinations(self, random: int = 0, seed: int = 0) -> list[dict]:
        """All settings of the space, or `random` of them, none twice: a list of dicts, each in the space's order.

        Raises: `InputError` if the space has fewer than `random`.
        """
        check_whole("random", random, low=0)
        if random > len(self):
            raise InputError(f"random: the space {self.name} has {len(self)} settings; received {random}")
        chosen = ParameterSampler(self.values, random, random_state=seed) if random else ParameterGrid(self.values)
        return [{key: item[key] for key in self.values} for item in chosen]


# Early stopping with patience 5 is the setting patience=5, none is patience=0.
SPACES = {
    "document4": Space(
        "document4",
        "document [4], table 2: early stopping {True, False} with patience 5 is patience {5, 0}",
        {
            "learning_rate": [0.1, 0.01, 0.001, 0.0001],
            "batch_size": [8, 16, 32, 64],
            "dropout": [0.5],
            "epochs": [10, 20, 30, 40],
            "patience": [0, 5],
        },
    ),
    "document3": Space(
        "document3",
        "document [3], equation 1: λ is tuned on validation; the values are the kit's",
        {"l2": [0.0, 1e-5, 1e-4, 1e-3]},
    ),
    "document2": Space(
        "document2",
        "document [2], hyperparameters: rate 0.0001, Adam and SGD, batch 32 and 64, 20, 25 and 30 epochs; it searches "
        "dropout, early stopping and patience without giving values: dropout 0.25 and 0.5, patience 0 (none) and 5 "
        "are the kit's",
        {
            "learning_rate": [0.0001],
            "optimizer": ["adam", "sgd"],
            "batch_size": [32, 64],
            "dropout": [0.25, 0.5],
            "epochs": [20, 25, 30],
            "patience": [0, 5],
        },
    ),
}
# The model and the pictures are one for all trials of a search: it loads its dataset once.
_FIXED = ("model", "image_size", "image_channels", "limit")


def read_space(space: str | dict) -> Space:
    """The `Space` meant by a key of `SPACES`, a .json file, text or a dict.

    Args:
        space: "document4", "document3", "document2", "FILE.json" holding {"setting": [values]}, text such as
            "learning_rate=0.1,0.01 batch_size=8,16", or a dict setting -> list of values.
    Raises: `InputError` naming what is allowed.
    """
    if isinstance(space, dict):
        return _checked(Space("custom", "given", space))
    if space in SPACES:
        return SPACES[space]
    if space.endswith(".json"):
        return _checked(Space(Path(space).stem, space, _read_json(space)))
    if "=" in space:
        return _checked(Space("custom", "given", _parse(space)))
    raise InputError(
        f"space: allowed are {', '.join(SPACES)}, a .json file, or text like "
        f"'learning_rate=0.1,0.01 batch_size=8,16'; received {space!r}"
    )


def _read_json(path):
    try:
        return json.loads(expanded(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"space: {path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"space: {path} is not JSON ({error})") from None


def _parse(text):
    """ "a=1,2 b=x" as {"a": [1, 2], "b": ["x"]}, values typed as the settings are."""
    values = {}
    for item in text.split():
        key, sign, listed = item.partition("=")
        if not sign or not all(listed.split(",")):
            raise InputError(f"space: each setting must be name=value,value; received {item!r}")
        values[key] = [parse_overrides(f"{key}={value}")[key] for value in listed.split(",")]
    return values


def _checked(space):
    if not isinstance(space.values, dict) or not space.values:
        raise InputError(f"space: {space.name} must hold settings with lists of values; received {space.values!r}")
    check_names("space", space.values, set(Experiment("").settings()) - set(_FIXED))
    for key, values in space.values.items():
        if not isinstance(values, list | tuple) or not values:
            raise InputError(f"space: {key} must be a list of values; received {values!r}")
        if any(values.count(value) > 1 for value in values):
            raise InputError(f"space: {key} names a value twice: {values!r}")
    return space
