"""What is run: every experiment's settings, its source, what that source claims, and its smaller sizes. Plain data.

`smoke` runs in seconds (tests), `quick` in about fifteen seconds on synthetic faces (the notebooks' default). A run
that is not at full size is recorded and shown as reduced.
"""

from dataclasses import asdict, dataclass, field, fields, replace

from .checks import InputError, check_choice, check_names, check_range
from .data.plan import SAMPLINGS
from .layers import Augmentation

SIZES = ("full", "quick", "smoke")
OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine", "plateau")


@dataclass(frozen=True)
class Experiment:
    """The settings of a training run.

    Attributes:
        model: a key of `MODELS`; `dropout` and `width` go to its builder where it has them.
        source: where the settings come from.
        claims: ids of the rows of claims.csv that this experiment answers.
        optimizer, learning_rate, batch_size, epochs: as usual; sgd has Nesterov momentum 0.9.
        schedule: "constant", "cosine" (to zero) or "plateau" (times 0.3 after `plateau` epochs without a better
            validation loss).
        patience: epochs without a better validation loss after which training stops; 0 never stops.
        class_weights: weight classes inversely to their frequency.
        sampling: "shuffle" or "balanced" (classes equally likely).
        label_smoothing, mixup: 0 for none.
        rotation .. erase: see `Augmentation`.
        limit: at most so many images a split (0: all); marks a run as reduced.
        jit: "auto" (XLA on an accelerator), "on", "off".
    """

    model: str
    source: str = ""
    claims: tuple = ()
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 30
    schedule: str = "constant"
    plateau: int = 3
    patience: int = 0
    dropout: float = 0.5
    width: float = 1.0
    class_weights: bool = False
    sampling: str = "shuffle"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    color: float = 0.0
    perspective: float = 0.0
    erase: float = 0.0
    limit: int = 0
    jit: str = "auto"
    quick: dict = field(default_factory=dict)
    smoke: dict = field(default_factory=dict)

    def settings(self):
        """The flat settings that a run depends on, as a dict of scalars."""
        return {key: value for key, value in asdict(self).items() if key not in ABOUT}

    def augmentation(self):
        """The `Augmentation` of these settings."""
        return Augmentation(**{item.name: getattr(self, item.name) for item in fields(Augmentation)})


# What describes an experiment and is no setting of a run.
ABOUT = ("source", "claims", "quick", "smoke")
_CNN_QUICK = {"epochs": 6, "learning_rate": 1e-3, "width": 0.5}
_CNN_SMOKE = {"epochs": 2, "learning_rate": 1e-3, "width": 0.25, "limit": 320}
# Rotation, scaling and horizontal flips are what document [2] names; it gives no amounts.
_REPORT2_AUGMENTATION = {"rotation": 10.0, "zoom": 0.1, "flip": True}

EXPERIMENTS = {
    "majority": Experiment(
        model="majority",
        source="document [2], baseline: always the most frequent class",
        claims=(1,),
        epochs=0,
        smoke={"limit": 320},
    ),
    "cnn": Experiment(
        model="cnn",
        source="document [2], table 1, first row: Adam 1e-4, batch 64, 30 epochs",
        claims=(2,),
        learning_rate=1e-4,
        batch_size=64,
        epochs=30,
        **_REPORT2_AUGMENTATION,
        quick=_CNN_QUICK,
        smoke=_CNN_SMOKE,
    ),
    "cnn_batch32": Experiment(
        model="cnn",
        source="document [2], table 1, second row: Adam 1e-4, batch 32, 25 epochs",
        claims=(3,),
        learning_rate=1e-4,
        batch_size=32,
        epochs=25,
        **_REPORT2_AUGMENTATION,
        quick={**_CNN_QUICK, "epochs": 5},
        smoke=_CNN_SMOKE,
    ),
}

_BOUNDS = {
    "learning_rate": (1e-8, 10), "batch_size": (1, 65536), "epochs": (0, 100000), "plateau": (1, None),
    "patience": (0, None), "dropout": (0, 0.99), "width": (0.01, 16), "label_smoothing": (0, 0.99),
    "mixup": (0, None), "rotation": (0, 180), "zoom": (0, 0.9), "shift": (0, 1), "brightness": (0, 1),
    "contrast": (0, 1), "color": (0, 1), "perspective": (0, 0.45), "erase": (0, 1), "limit": (0, None),
}  # fmt: skip
_CHOICES = {
    "optimizer": OPTIMIZERS, "schedule": SCHEDULES, "sampling": SAMPLINGS, "jit": ("auto", "on", "off"),
}  # fmt: skip


def resolve(name, size="full", overrides=None):
    """The experiment `name` at a size, with single settings overridden.

    Args:
        name: a key of `EXPERIMENTS`.
        size: "full", "quick" or "smoke".
        overrides: dict setting -> value; an unknown name or a value of the wrong type raises `InputError`.
    Returns: `Experiment`.
    """
    experiment = EXPERIMENTS[check_choice("experiment", name, EXPERIMENTS)]
    smaller = {} if check_choice("size", size, SIZES) == "full" else getattr(experiment, size)
    changes = {**smaller, **(overrides or {})}
    defaults = experiment.settings()
    check_names("overrides", changes, set(defaults) - {"model"})
    return replace(experiment, **{key: _checked(key, value, defaults[key]) for key, value in changes.items()})


def _checked(key, value, default):
    """The value as the setting's type; ints pass for floats, nothing else is converted."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        wanted, got = type(default).__name__, type(value).__name__
        raise InputError(f"{key}: must be {wanted}; received {value!r} ({got})")
    if key in _BOUNDS:
        check_range(key, value, *_BOUNDS[key])
    return check_choice(key, value, _CHOICES[key]) if key in _CHOICES else value


def default_size(dataset, size=""):
    """The size meant by "": quick on synthetic faces, full on real ones."""
    return check_choice("size", size, SIZES) if size else ("quick" if dataset == "synthetic" else "full")


def parse_overrides(text):
    """Overrides written as text, "epochs=2 learning_rate=0.001 flip=false", as a dict of typed values."""
    overrides = {}
    for item in text.replace(",", " ").split():
        key, sign, value = item.partition("=")
        if not sign or not value:
            raise InputError(f"overrides: each must be name=value; received {item!r}")
        overrides[key] = _typed(key, value)
    return overrides


def _typed(key, text):
    settings = {item.name: item.type for item in fields(Experiment) if item.name not in (*ABOUT, "model")}
    check_names("overrides", [key], settings)
    kind = settings[key]
    if kind is bool:
        check_choice(key, text.lower(), ("true", "false", "1", "0", "yes", "no"))
        return text.lower() in ("true", "1", "yes")
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{key}: must be {kind.__name__}; received {text!r}") from None


def differences(name, experiment, size="full"):
    """In which ways a resolved experiment is not the table's full one, as text ("" if it is)."""
    full, now = EXPERIMENTS[name].settings(), experiment.settings()
    changed = [f"{key} {now[key]} for {full[key]}" for key in full if now[key] != full[key] and key != "jit"]
    label = f"{size} size: " if size != "full" else ""
    return label + ", ".join(changed) if changed else ""
