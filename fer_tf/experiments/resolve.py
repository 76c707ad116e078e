"""Reading the table of experiments: settings with overrides, and in which ways they differ from the table's."""

import functools
import re
from dataclasses import replace

from ..common.checks import InputError, check_choice, check_names, check_range
from ..data import dataset_spec
from ..models import MODELS, model_options
from ..models.backbones import check_backbone
from ..models.features import FEATURE_MODELS
from ..models.transfer import is_pretrained
from .settings import SETTINGS, Experiment
from .table import EXPERIMENTS

SIZES = ("full", "quick", "smoke")
# The note for runs whose experiment has changed since.
EARLIER = "before its experiment was corrected"


def resolve(name: str, size: str = "full", overrides: dict | None = None) -> Experiment:
    """The experiment `name` at a size, with single settings overridden.

    Args:
        name: a key of `EXPERIMENTS`.
        size: "full", "quick" or "smoke".
        overrides: dict setting -> value; an unknown name, a value of the wrong type or one that is not allowed, and a
            setting that the experiment is defined by raise `InputError`.
    """
    experiment = EXPERIMENTS[check_choice("experiment", name, EXPERIMENTS)]
    smaller = {} if check_choice("size", size, SIZES) == "full" else getattr(experiment, size)
    changes = {**smaller, **(overrides or {})}
    defaults = experiment.settings()
    check_names("overrides", changes, SETTINGS)
    for key in set(experiment.defining) & set(overrides or {}):
        raise InputError(
            f"{key}: {name} is defined by {key} {defaults[key]}, it cannot be set; take another experiment"
        )
    resolved = replace(experiment, **{key: _checked(key, value, defaults[key]) for key, value in changes.items()})
    if resolved.sizes and resolved.patience:
        raise InputError("sizes: cannot be used with patience, which could stop before the last size")
    if resolved.loss == "multitarget" and resolved.mixup:
        raise InputError(
            "mixup: must be 0 with loss multitarget, which would count the classes of both pictures as right"
        )
    if resolved.warmup and resolved.schedule != "cosine":
        raise InputError(f"warmup: needs schedule=cosine; received schedule {resolved.schedule!r}")
    return resolved


def _checked(key, value, default):
    """The value as the setting's type; ints pass for floats, nothing else is converted."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise InputError(f"{key}: must be {type(default).__name__}; received {value!r} ({type(value).__name__})")
    if SETTINGS[key].low is not None:
        check_range(key, value, SETTINGS[key].low, SETTINGS[key].high)
    if key == "sizes" and not re.fullmatch(r"(\d+:\d+(\.\d+)?(,(?=\d)|$))*", value):
        raise InputError(f"sizes: must be size:epochs pairs such as 32:12,48:24; received {value!r}")
    if key == "sizes" and value:
        _check_sizes(value)
    if key == "salient_by" and value:
        return check_choice(key, value, EXPERIMENTS)
    if key == "backbone":
        return check_backbone(value, FEATURE_MODELS)
    return check_choice(key, value, SETTINGS[key].choices) if SETTINGS[key].choices else value


def _check_sizes(text):
    pairs = [tuple(map(float, pair.split(":"))) for pair in text.split(",")]
    sizes = [size for size, _ in pairs]
    if sizes != sorted(set(sizes)) or min(min(pair) for pair in pairs) <= 0:
        raise InputError(f"sizes: must grow, with more than 0 epochs each; received {text!r}")


def default_size(dataset: str, size: str = "") -> str:
    """The size meant by "": quick on synthetic faces, full on real ones."""
    if size:
        return check_choice("size", size, SIZES)
    return "quick" if dataset_spec(dataset).is_drawn else "full"


def parse_overrides(text: str) -> dict:
    """Overrides written as text, "epochs=2 learning_rate=0.001 flip=false", as a dict of typed values."""
    overrides = {}
    for item in re.split(r"[\s,]+(?=[^\s,=]+=)", text.strip()) if text.strip() else []:
        key, sign, value = item.partition("=")
        if not sign or not value:
            raise InputError(f"overrides: each must be name=value; received {item!r}")
        overrides[key] = _typed(key, value)
    return overrides


def _typed(key, text):
    check_names("overrides", [key], SETTINGS)
    value_type = SETTINGS[key].kind
    if value_type is bool:
        check_choice(key, text.lower(), ("true", "false", "1", "0", "yes", "no"))
        return text.lower() in ("true", "1", "yes")
    try:
        return value_type(text)
    except ValueError:
        raise InputError(f"{key}: must be {value_type.__name__}; received {text!r}") from None


def changed_settings(name: str, experiment: Experiment) -> dict[str, list]:
    """The settings that differ from the experiment's full size in the table: dict name -> [its value, the table's]."""
    full, now = EXPERIMENTS[EXPERIMENTS[name].small_of or name].settings(), experiment.settings()
    left_out = ("jit", *EXPERIMENTS[name].given)
    used = [key for key in full if key not in left_out and is_used(key, experiment)]
    return {key: [now[key], full[key]] for key in used if now[key] != full[key]}


def differences(name: str, experiment: Experiment, size: str = "full") -> str:
    """The `changed_settings` as text, with the size in front; "" if nothing is changed."""
    label = f"{size} size: " if size != "full" else ""
    changed = _in_words(changed_settings(name, experiment))
    return label + ", ".join(changed) if changed else ""


def _in_words(changed):
    return [f"{key} {value} for {other}" for key, (value, other) in changed.items()]


def changed_since(record: dict) -> str:
    """In which ways the settings of a run differ from those that its experiment has now, as text ("" if they do not).

    Differences that the record itself names as reductions are left out.

    Args:
        record: of a run; a setting that it does not have yet is at its default.
    """
    if record["experiment"] not in EXPERIMENTS:
        return ""
    known = Experiment("").settings()
    then = Experiment(**{key: value for key, value in record["settings"].items() if key in known})
    changed = changed_settings(record["experiment"], then)
    if "changed_settings" in record:
        new = _in_words({key: pair for key, pair in changed.items() if record["changed_settings"].get(key) != pair})
    else:  # older records have it only in words
        named = set(re.split(r"; |, |: ", record["reduced"]))
        new = [text for text in _in_words(changed) if text not in named]
    return f"{', '.join(new)} ({EARLIER})" if new else ""


def settings_note(record: dict) -> str:
    """Whether a run had the settings of its source, as text.

    This is in which way the run is reduced, or "settings of the document" where the source prints all settings that
    have an effect, or else which of them it prints.

    Args:
        record: of a run of `EXPERIMENTS`.
    """
    experiment = EXPERIMENTS[record["experiment"]]
    printed = [key for key in experiment.printed if is_used(key, experiment)]
    if record["reduced"]:
        return record["reduced"]
    if not set(_effective(experiment)) - set(printed):
        return "settings of the document"
    if not printed:
        return "settings of the kit (its source prints none)"
    names = ", ".join(key.replace("_", " ") for key in printed)
    return f"the document's settings where it prints them ({names}); the rest is the kit's"


def _effective(experiment):
    """The settings that a run depends on and that are not switched off."""
    if not experiment.epochs:
        return []
    off = {"schedule": "constant", "sampling": "shuffle", "precision": "float32", "width": 1.0, "passes": 1}
    off |= {} if experiment.schedule == "plateau" else {"plateau": experiment.plateau}
    values = {key: value for key, value in experiment.settings().items() if key not in ("model", "jit")}
    return [
        key
        for key, value in values.items()
        if is_used(key, experiment) and value not in (0, "", "none", off.get(key, 0))
    ]


def equal_steps(name: str, share: float, size: str = "full", overrides: dict | None = None) -> dict:
    """Settings that give a run on a share of the training images as many optimizer steps as a run on all of them.

    An epoch goes several times through the smaller set (`passes`), so that what counts in epochs stays the same: the
    schedule, the warm-up, early stopping. At equal epochs without this, the smaller run has fewer steps. It may then
    be undertrained, and not only short of data.

    Args:
        name, size, overrides: see `resolve`.
        share: of the training images, 1 divided by a whole number: 1, 0.5, 0.25, 0.1.
    Returns: dict of overrides. Empty where a limit already keeps the number of images (smoke sizes).
    Raises: `InputError` for another share.
    """
    check_range("share", share, 0.001, 1)
    passes = round(1 / share)
    if abs(passes * share - 1) > 0.01:
        raise InputError(f"share: must be 1 divided by a whole number, such as 0.5, 0.25 or 0.1; received {share}")
    experiment = resolve(name, size, overrides)
    return {} if experiment.limit or passes == 1 else {"passes": passes * experiment.passes}


# Settings that count only where another one is on.
_NEEDS = {
    "saliency": "salient_by",
    **dict.fromkeys(("teacher_share", "temperature", "teacher_views"), "teacher"),
    **dict.fromkeys(("face_net_epochs", "matching_rate", "matching_power"), "matching_epochs"),
}


def is_used(key: str, experiment: Experiment) -> bool:
    """False for a setting that this experiment's model or training ignores.

    `make reproduce` gives a setting to all notebooks. A model that ignores it does not count as changed.
    """
    if key in _NEEDS:
        return bool(getattr(experiment, _NEEDS[key]))
    if key == "face_net" and experiment.matching_epochs:
        return True
    if key in ("head_epochs", "head_learning_rate", "unfreeze", "freeze_norm") and not is_pretrained(experiment):
        return False
    return key not in _of_models() or key in model_options(experiment.model)


@functools.cache
def _of_models():
    """The options of all models. Reading the signatures takes long when it is done for each setting of each record."""
    return {option for model in MODELS for option in model_options(model)}
