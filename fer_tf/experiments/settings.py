"""What an experiment can be set to: the form that every entry of `EXPERIMENTS` fills in.

A hyperparameter is one field of `Experiment`, with its range, choices and help. `SETTINGS` lists them all, and
`fer-tf list settings` prints them.
"""

from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from ..data.feeding.epoch_plan import SAMPLINGS
from ..layers import CROP_SETS, Augmentation
from ..layers.region_attention import NORMALISES
from ..losses import LOSSES
from ..models.compact import SHAPES
from ..models.facenet2expnet import READINGS
from ..models.ran import ATTENTIONS
from ..models.resnet import STEMS

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "plateau")
SALIENCIES = ("weight", "crop")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "auto")
TEACHER_VIEWS = ("once", "augmented")
JITS = ("auto", "on", "off")


@dataclass(frozen=True)
class Setting:
    """What is known about one hyperparameter.

    Attributes:
        name: of the field of `Experiment`.
        kind: its type, bool, int, float or str.
        default: the value of an experiment that does not set it.
        help: a sentence for users.
        low, high: the range of a number; None: no limit on this side.
        choices: the allowed texts; None: any.
        for_all: True where `make reproduce` may give one value to all chapters. False where other models refuse it,
            or where it would undo what the chapters compare.
    """

    name: str
    kind: type
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple | None = None
    for_all: bool = True

    @property
    def allowed(self) -> str:
        """The range or the choices as text, "" where everything of its type is allowed."""
        if self.kind is bool:
            return "true or false"
        if self.choices:
            return " or ".join(self.choices) if len(self.choices) == 2 else ", ".join(self.choices)
        if self.low is None:
            return ""
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


def _setting(default, help, low=None, high=None, for_all=True) -> Any:
    return field(default=default, metadata={"help": help, "low": low, "high": high, "for_all": for_all})


def _text(default, help, choices=None, for_all=True) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices and tuple(choices), "for_all": for_all})


@dataclass(frozen=True)
class Experiment:
    """An entry of `EXPERIMENTS`: the settings of a training run, and what describes it.

    The settings are the fields after `smoke`. A default is the value from before the setting existed: a record
    without the setting is read with it.

    Attributes:
        model: a key of `MODELS`; settings that its builder takes go there.
        source: where the settings come from.
        claims: ids of the rows of claims.csv that this experiment answers.
        printed: names of the settings that the source document prints, with these values; the others are the kit's.
        defining: settings that make it this experiment: they cannot be overridden.
        given: settings that each run is given (the starting model); their values do not make a run a changed one.
        small_of: the experiment that this one is a smaller form of ("": none): its runs are called reduced next to it.
        tables: dict of a document's table, "document1" to "document4" -> its row there, from 1.
        printed_as: (name, author) of the model as its document's table prints them; "" for no author.
        ablations: dict of a question -> its row there. Row 0 is the reference: the others are compared
            with it.
        quick, smoke: dict of the settings that differ at these smaller sizes.
    """

    model: str
    source: str = ""
    claims: tuple = ()
    printed: tuple = ()
    defining: tuple = ()
    given: tuple = ()
    small_of: str = ""
    tables: dict = field(default_factory=dict)
    printed_as: tuple = ()
    ablations: dict = field(default_factory=dict)
    quick: dict = field(default_factory=dict)
    smoke: dict = field(default_factory=dict)

    # training
    optimizer: str = _text(
        "adam", "sgd has Nesterov momentum 0.9; adamw leaves biases and normalisation out of the decay.", OPTIMIZERS
    )
    learning_rate: float = _setting(1e-3, "Rate of the optimizer, before the schedule.", 1e-8, 10)
    batch_size: int = _setting(64, "Images in one step of the optimizer.", 1, 65536)
    epochs: int = _setting(30, "Times that training goes through its images (see `passes`).", 0, 100000)
    passes: int = _setting(
        1,
        "Times that an epoch shows each training image. More than 1 gives a small dataset longer epochs, and so fewer "
        "validations.",
        1,
        10000,
        for_all=False,
    )
    schedule: str = _text(
        "constant",
        "cosine falls to zero; plateau multiplies the rate by 0.3 after `plateau` epochs without a better validation "
        "loss.",
        SCHEDULES,
    )
    plateau: int = _setting(3, "Epochs that schedule plateau waits.", 1)
    warmup: float = _setting(
        0.0,
        "With schedule cosine: epochs (0.5 is possible) in which the rate rises from zero, step by step; the cosine "
        "then falls step by step, too.",
        0,
    )
    clip_norm: float = _setting(
        0.0, "Gradients are scaled down where the norm of all of them together is larger; 0: never.", 0
    )
    ema: float = _setting(
        0.0,
        "Decay (such as 0.999) of an exponential moving average of the weights, which is validated and kept; 0: the "
        "weights themselves.",
        0,
        0.99999,
    )
    sizes: str = _text(
        "",
        'Progressive resizing: "32:12,48:24" is 12 epochs with pictures of 32 px, then 24 of 48 px. Needs a pooled '
        "head; the best epoch is one at the last size. Empty: all epochs with the pictures as they are.",
        for_all=False,
    )
    patience: int = _setting(0, "Epochs without a better validation loss after which training stops; 0: never.", 0)
    dropout: float = _setting(0.5, "Dropout rate of the model's head.", 0, 0.99)
    width: float = _setting(1.0, "Scales the model's channel counts.", 0.01, 16)
    class_weights: bool = _setting(False, "Weight classes inversely to their frequency.")
    sampling: str = _text("shuffle", "balanced draws all classes equally often.", SAMPLINGS)
    loss: str = _text(
        "crossentropy",
        "squared_hinge is the loss of an L2-SVM; with multitarget every class with a share of the label is right.",
        LOSSES,
    )
    label_smoothing: float = _setting(0.0, "Share of the label that is spread over all classes.", 0, 0.99)
    mixup: float = _setting(0.0, "α of the Beta distribution that mixes pairs of pictures; 0: no mixing.", 0)
    weight_decay: float = _setting(0.0, "Of the optimizer, decoupled from the gradient.", 0, 1)
    l2: float = _setting(0.0, "λ on the weights of the last dense layers, in the loss.", 0, 1)

    # pictures and model
    image_size: int = _setting(0, "Side that pictures are converted to; 0: as the dataset is.", 0, 4096)
    image_channels: int = _setting(0, "1 (gray) or 3; 0: as the dataset is.", 0, 3)
    backbone: str = _text(
        "DenseNet121", "Of akhand and ran: a network of keras.applications or of the kit.", for_all=False
    )
    weights: str = _text(
        "none", "Pretrained weights of the backbone: none, imagenet, drawn or a file. Of fine_tune: the starting model."
    )
    resolution: int = _setting(0, "Side that pictures are resized to inside the model; 0: their own.", 0, 1024)
    stem: str = _text(
        "standard",
        "First layers of ResNet18 and the Residual Masking Network: small keeps the size of the picture.",
        STEMS,
    )
    head_epochs: int = _setting(
        0,
        "The first of `epochs`, with the pretrained part frozen, at head_learning_rate. Not used with weights none.",
        0,
        for_all=False,
    )
    head_learning_rate: float = _setting(1e-3, "Rate in the head's epochs.", 1e-8, 10)
    unfreeze: str = _text(
        "",
        "What learns after the head's epochs: empty for all, a layer's name, a share of the layers. "
        "Separate several by commas; the epochs are divided evenly among them.",
        for_all=False,
    )
    freeze_norm: bool = _setting(True, "Keep the pretrained part's batch normalisation as it is.")
    crops: str = _text("fixed6", "The regions of the region attention networks.", CROP_SETS)
    attention: str = _text(
        "relation", "Of ran and ran_face: which attention modules they have.", ATTENTIONS, for_all=False
    )
    normalise: str = _text(
        "sigmoid",
        "How attention weights are normalised. Use margin=0.1 with softmax; the default margin fits sigmoid.",
        NORMALISES,
        for_all=False,
    )
    margin: float = _setting(0.02, "α of the region-biased loss.", 0, 1)
    bias_weight: float = _setting(1.0, "Weight of the region-biased loss; 0: without it.", 0, for_all=False)
    reading: str = _text(
        "combined", "Of ran_facenet2expnet: strongest classifies the crop with the highest weight.", READINGS, False
    )
    pooled: bool = _setting(False, "Of facenet2expnet: average the last map instead of flattening it.", for_all=False)
    depth: int = _setting(512, "Channels of FaceNet2ExpNet's last map; those of the face network.", 1)

    # face networks
    face_net: str = _text(
        "none",
        "The face network that stage 1 matches or that is fine-tuned: identities, keras_facenet, a Keras model's file, "
        "or face_transfer (its finished run on the same data with the same seed).",
    )
    face_net_epochs: int = _setting(
        0, "Epochs in which the face network first learns expressions; 0: as it is.", 0, for_all=False
    )
    frozen_until: str = _text(
        "",
        "Of face_transfer and ran_face: the last layer of the face network that does not learn; empty: all learn.",
        None,
        False,
    )
    shape: str = _text("tapered", "Of compact: how its blocks grow.", SHAPES, for_all=False)
    pair_relu: bool = _setting(False, "Of deepfer: a ReLU between the two convolutions of a pair.", for_all=False)

    # distillation
    teacher: str = _text(
        "",
        "Runs whose answers are learned next to the labels: names of finished runs, or of experiments (their runs on "
        'the same data with the same seed), with "+" between them. A bundled model takes the place of its run.',
        for_all=False,
    )
    teacher_share: float = _setting(0.5, "λ: the teacher's part of the loss.", 0, 1, for_all=False)
    temperature: float = _setting(1.5, "T of the teacher's and the student's answers.", 0.01, 100, for_all=False)
    teacher_views: str = _text(
        "once",
        "once: the teacher's mean answer to a picture and its mirror image, computed once; augmented: its answer to "
        "each changed picture, at every step.",
        TEACHER_VIEWS,
        for_all=False,
    )

    # stage 1 of FaceNet2ExpNet
    matching_epochs: int = _setting(0, "Epochs of stage 1, before `epochs`; 0: without it.", 0, for_all=False)
    matching_rate: float = _setting(1e-3, "Learning rate of stage 1 (Adam, cosine).", 1e-8, 10)
    matching_power: float = _setting(2.0, "p of the distance that stage 1 makes small.", 1, 16)

    precision: str = _text(
        "float32",
        "auto: float32 or bfloat16, whichever a short measurement at the start finds faster. The saved model is "
        "float32.",
        PRECISIONS,
    )
    salient_by: str = _text(
        "",
        "An experiment whose model is trained on the same pictures first and gives the maps of document [3]'s "
        "saliency step; empty: none.",
        for_all=False,
    )
    saliency: str = _text("weight", "What those maps do: weigh the pixels, or crop the picture.", SALIENCIES)

    # augmentation
    rotation: float = _setting(0.0, "Degrees to either side, at most.", 0, 180)
    zoom: float = _setting(0.0, "The face grows or shrinks by at most this share.", 0, 0.9)
    shift: float = _setting(0.0, "Moves by at most this share of the side, in x and y.", 0, 1)
    flip: bool = _setting(False, "Mirrors half of the pictures.")
    brightness: float = _setting(0.0, "At most this share of 255 is added or taken.", 0, 1)
    contrast: float = _setting(0.0, "Differences from the picture's mean grow or shrink by at most this share.", 0, 1)
    color: float = _setting(0.0, "Each channel of an RGB picture is scaled by at most this share.", 0, 1)
    perspective: float = _setting(0.0, "Tilt; 0.1 makes one side about a tenth nearer.", 0, 0.45)
    erase: float = _setting(0.0, "Share of the pictures that get a gray rectangle.", 0, 1)

    limit: int = _setting(0, "Largest number of images per split; 0 uses all. It marks a run as reduced.", 0)
    jit: str = _text("auto", "Compile with XLA; auto: on an accelerator.", JITS)

    def settings(self) -> dict[str, Any]:
        """The flat settings that a run depends on, as a dict of scalars."""
        return {key: value for key, value in asdict(self).items() if key not in ABOUT}

    def augmentation(self) -> Augmentation:
        """The `Augmentation` of these settings."""
        return Augmentation(**{item.name: getattr(self, item.name) for item in fields(Augmentation)})


# What describes an experiment and is not a setting of a run: the fields without a help text.
ABOUT = tuple(item.name for item in fields(Experiment) if not item.metadata and item.name != "model")
# Every setting that a run can be given, by name.
SETTINGS = MappingProxyType(
    {
        item.name: Setting(item.name, type(item.default), item.default, **item.metadata)  # type: ignore[arg-type]
        for item in fields(Experiment)
        if item.name not in (*ABOUT, "model")
    }
)
