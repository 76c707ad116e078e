"""The table of experiments: settings, source, the source's claims and smaller sizes; and functions that read the table.

`smoke` runs in seconds (tests), `quick` in less than a minute on synthetic faces (the notebooks' default). A run
that is not at full size is recorded and shown as reduced.
"""

import re
from dataclasses import replace

from ..common.checks import InputError, check_choice, check_names, check_range
from ..data import DATASETS
from ..models import MODELS, model_options
from ..models.backbones import check_backbone
from ..models.features import FEATURE_MODELS
from ..models.transfer import is_pretrained
from .recipes import (
    ABLATED,
    CNN_QUICK,
    CNN_SMOKE,
    COMPACT,
    EXPNET,
    FACE_TRANSFER,
    MATCHED,
    MY_MODEL,
    QUESTION_ATTENTION,
    QUESTION_EQUAL,
    QUESTION_FOUR,
    QUESTION_MATCHED,
    QUESTION_MATCHING,
    QUESTION_PARTS,
    RAN,
    REPORT2_AUGMENTATION,
    REPORT2_PRINTED,
    REPORT3,
    REPORT4,
    REPORT4_AUGMENTATION,
    STRONG,
    TRANSFER,
    TRANSFER_QUICK,
    TRANSFER_SMOKE,
    VGG_BN,
)
from .settings import SETTINGS, Experiment

SIZES = ("full", "quick", "smoke")
# What is said of a run whose experiment has other settings now.
EARLIER = "before its experiment was corrected"

EXPERIMENTS = {
    "majority": Experiment(
        model="majority",
        source="document [2], baseline: always the most frequent class",
        claims=(1,),
        epochs=0,
        smoke={"limit": 128},
    ),
    "cnn": Experiment(
        model="cnn",
        source="document [2], table 1, first row: Adam 1e-4, batch 64, 30 epochs, early stopping (its patience is not "
        "printed: document [4]'s 5)",
        tables={"document2": 1},
        claims=(2,),
        printed=REPORT2_PRINTED,
        learning_rate=1e-4,
        batch_size=64,
        epochs=30,
        patience=5,
        **REPORT2_AUGMENTATION,
        quick=CNN_QUICK,
        smoke=CNN_SMOKE,
    ),
    "cnn_batch32": Experiment(
        model="cnn",
        source="document [2], table 1, second row: Adam 1e-4, batch 32, 25 epochs, "
        "early stopping (patience 5 as in `cnn`)",
        tables={"document2": 2},
        claims=(3,),
        printed=REPORT2_PRINTED,
        learning_rate=1e-4,
        batch_size=32,
        epochs=25,
        patience=5,
        **REPORT2_AUGMENTATION,
        quick={**CNN_QUICK, "epochs": 5},
        smoke=CNN_SMOKE,
    ),
    "cnn_strong": Experiment(
        model="cnn",
        source="beyond the documents: `cnn` with a stronger recipe, what two processor cores train within an hour",
        learning_rate=1e-3,
        schedule="cosine",
        weight_decay=1e-4,
        batch_size=64,
        epochs=16,
        **{**REPORT2_AUGMENTATION, "shift": 0.05},
        quick=CNN_QUICK,
        smoke=CNN_SMOKE,
    ),
    "cnn4": Experiment(
        model="cnn4",
        source="document [4], table 1, CNN (baseline)",
        tables={"document4": 1},
        ablations={QUESTION_PARTS: 0},
        claims=(27,),
        **REPORT4,
    ),
    "cnn4_se": Experiment(
        model="cnn4_se",
        source="document [4], table 1, CNN (SE)",
        tables={"document4": 2},
        ablations={QUESTION_PARTS: 1},
        claims=(28,),
        **REPORT4,
    ),
    "cnn4_se_aug": Experiment(
        model="cnn4_se",
        source="document [4], table 1, CNN (SE-Aug); it names size, brightness, colour channels and perspective",
        tables={"document4": 3},
        ablations={QUESTION_PARTS: 2},
        claims=(29,),
        **REPORT4,
        **REPORT4_AUGMENTATION,
    ),
    "cnn4_se_residual": Experiment(
        model="cnn4_se_residual",
        source="document [4], table 1, CNN (SE+Residual)",
        tables={"document4": 4},
        ablations={QUESTION_PARTS: 3},
        claims=(30,),
        **REPORT4,
    ),
    "resnet18": Experiment(
        model="resnet18",
        source="document [4], table 1, ResNet18",
        tables={"document4": 5},
        claims=(31,),
        **REPORT4,
    ),
    "vgg16": Experiment(
        model="vgg16",
        source="document [2], table 2, first row: Adam 1e-4, batch 32, 25 epochs, early stopping; 96 px, phases and "
        "patience are the kit's",
        tables={"document2": 3},
        claims=(4,),
        printed=REPORT2_PRINTED,
        learning_rate=1e-4,
        batch_size=32,
        epochs=25,
        patience=5,
        unfreeze="block4_conv1",
        **{**TRANSFER, "head_learning_rate": 1e-4},
    ),
    "vgg16_tuned": Experiment(
        model="vgg16",
        source="beyond the documents: `vgg16` with the kit's own rates: 1e-3 for the head, then 1e-5",
        learning_rate=1e-5,
        batch_size=32,
        epochs=25,
        unfreeze="block4_conv1",
        **TRANSFER,
    ),
    "mobilenet": Experiment(
        model="mobilenet",
        source="document [2], table 2, second row: SGD 1e-4, batch 64, 20 epochs, early stopping; 96 px, phases and "
        "patience are the kit's",
        tables={"document2": 4},
        claims=(5, 6, 7, 8, 9),
        printed=REPORT2_PRINTED,
        optimizer="sgd",
        learning_rate=1e-4,
        batch_size=64,
        epochs=20,
        patience=5,
        unfreeze="conv_pw_4",
        # its own statistics, because faces are not ImageNet pictures
        **{**TRANSFER, "freeze_norm": False, "head_learning_rate": 1e-4},
    ),
    "mobilenet_tuned": Experiment(
        model="mobilenet",
        source="beyond the documents: `mobilenet` with the kit's own rates: 1e-3 for the head, then 1e-2 and a cosine",
        optimizer="sgd",
        learning_rate=1e-2,
        schedule="cosine",
        batch_size=64,
        epochs=20,
        unfreeze="conv_pw_4",
        # its own statistics, because faces are not ImageNet pictures
        **{**TRANSFER, "freeze_norm": False},
    ),
    "ucar_cnn": Experiment(
        model="ucar_cnn",
        source="document [1], baseline Uçar 2017; the paper's settings could not be had",
        tables={"document1": 4},
        printed_as=("CNN FER model", "Uçar, 2017"),
        ablations={QUESTION_FOUR: 2},
        claims=(34,),
        epochs=30,
        **REPORT2_AUGMENTATION,
        quick=CNN_QUICK,
        smoke=CNN_SMOKE,
    ),
    "akhand": Experiment(
        model="akhand",
        source="document [1], baseline Akhand 2021: dense head, then blocks unfrozen one after another from the top",
        tables={"document1": 5},
        printed_as=("FER model with DCNN and TL", "Akhand et al., 2021"),
        ablations={QUESTION_FOUR: 3},
        claims=(35,),
        learning_rate=1e-4,
        batch_size=32,
        epochs=25,
        unfreeze="conv5_block1_0_bn,conv4_block1_0_bn,conv3_block1_0_bn",
        **{
            **TRANSFER,
            # the steps are for whoever gives these sizes pretrained weights: MobileNet has no layers of those names
            "quick": {**TRANSFER_QUICK, "backbone": "MobileNet", "unfreeze": "0.3,0.6"},
            "smoke": {**TRANSFER_SMOKE, "backbone": "MobileNet", "unfreeze": "0.3,0.6"},
        },
    ),
    "deep_emotion": Experiment(
        model="deep_emotion",
        source="document [3], tables, Deep-Emotion (Minaee 2019): Adam, dropout, ℓ2; 500 epochs at 0.005 in the paper",
        tables={"document3": 3},
        claims=(16, 20, 23, 26, 51),
        **REPORT3,
    ),
    "deepfer": Experiment(
        model="deepfer",
        source="document [3]: Adam, dropout, ℓ2 on the last four dense layers; it prints no rate, batch or epochs",
        tables={"document3": 1},
        claims=(13, 14, 15, 19, 21, 24, 25),
        printed=("optimizer", "loss"),
        pair_relu=True,
        # half of deep_emotion's rate: its seven convolutions have no normalisation
        **{**REPORT3, "learning_rate": 5e-4},
    ),
    "deepfer_literal": Experiment(
        model="deepfer",
        source="document [3] read literally: no ReLU between the two convolutions of a pair",
        printed=("optimizer", "loss"),
        pair_relu=False,
        defining=("pair_relu",),
        **{**REPORT3, "learning_rate": 5e-4},
    ),
    "deepfer_salient": Experiment(
        model="deepfer",
        source="document [3], JAFFE: DeepFER trained and tested on pictures that DeepFER's occlusion maps weigh",
        tables={"document3": 2},
        claims=(22,),
        printed=("optimizer", "loss", "salient_by"),
        salient_by="deepfer",
        defining=("salient_by",),
        pair_relu=True,
        **{**REPORT3, "learning_rate": 5e-4},
    ),
    "ran": Experiment(
        model="ran",
        source="document [1], RAN (Wang et al. 2020): six fixed crops, both attention modules, region-biased loss",
        tables={"document1": 3},
        printed_as=("processing model using RAN", "Wang et al., 2020"),
        ablations={QUESTION_ATTENTION: 4, QUESTION_EQUAL: 3, QUESTION_FOUR: 1},
        claims=(33, 37),
        printed=("crops", "attention", "normalise"),
        **RAN,
    ),
    "ran_backbone": Experiment(
        model="ran",
        source="`ran`'s backbone alone on the whole face",
        ablations={QUESTION_ATTENTION: 0},
        attention="none",
        defining=ABLATED,
        **RAN,
    ),
    "ran_mean": Experiment(
        model="ran",
        source="the control of `ran`: the same regions with equal weights, nothing of them learned",
        ablations={QUESTION_ATTENTION: 1, QUESTION_EQUAL: 0},
        attention="mean",
        bias_weight=0.0,
        defining=ABLATED,
        **RAN,
    ),
    "ran_self": Experiment(
        model="ran",
        source="`ran` with self-attention only",
        ablations={QUESTION_ATTENTION: 2, QUESTION_EQUAL: 1},
        attention="self",
        bias_weight=0.0,
        defining=ABLATED,
        **RAN,
    ),
    "ran_relation": Experiment(
        model="ran",
        source="`ran` without the region-biased loss",
        ablations={QUESTION_ATTENTION: 3, QUESTION_EQUAL: 2},
        bias_weight=0.0,
        defining=ABLATED,
        **RAN,
    ),
    "ran_softmax": Experiment(
        model="ran",
        source="`ran` as Wang et al.'s public code has it: a softmax over the weights, α = 0.1",
        normalise="softmax",
        margin=0.1,
        defining=("normalise",),
        **RAN,
    ),
    "facenet2expnet": Experiment(
        model="facenet2expnet",
        source="document [1], FaceNet2ExpNet (Ding et al. 2017): stage 1 matches the face net, stage 2 trains all",
        ablations={QUESTION_MATCHING: 1, QUESTION_MATCHED: 0},
        claims=(36,),
        printed=("face_net",),
        **MATCHED,
    ),
    "facenet2expnet_scratch": Experiment(
        model="facenet2expnet",
        source="`facenet2expnet` without stage 1: the same expression net from scratch",
        ablations={QUESTION_MATCHING: 0},
        defining=("matching_epochs",),  # not face_net, which it never looks at: a value for all leaves it as it is
        depth=1792,
        **EXPNET,
    ),
    "facenet2expnet_fine_tuned": Experiment(
        model="facenet2expnet",
        source="document [1]: `facenet2expnet` whose face net is first trained on expressions itself",
        ablations={QUESTION_MATCHING: 2},
        printed=("face_net",),
        defining=("face_net_epochs",),
        face_net_epochs=2,
        **MATCHED,
    ),
    "facenet2expnet_small": Experiment(
        model="facenet2expnet",
        small_of="facenet2expnet",
        source="`facenet2expnet` at 0.3 of its width, matched to a MobileFaceNet: for two processor cores",
        width=0.3,
        **{**MATCHED, "face_net": "mobilefacenet.h5", "depth": 512, "epochs": 12, "matching_epochs": 8},
    ),
    "facenet2expnet_small_scratch": Experiment(
        model="facenet2expnet",
        source="the control of `facenet2expnet_small`: the same net from scratch, with the epochs of both its stages",
        defining=("matching_epochs",),
        width=0.3,
        depth=512,
        **{**EXPNET, "epochs": 20},
    ),
    "expnet_strong": Experiment(
        model="facenet2expnet",
        source="beyond the documents: FaceNet2ExpNet's expression net alone, at 0.3 of its width, with the recipe of "
        "`cnn_strong`: what two processor cores train within an hour",
        width=0.3,
        depth=512,
        weight_decay=1e-4,
        **{**EXPNET, "epochs": 36, "shift": 0.05},
    ),
    "ran_facenet2expnet": Experiment(
        model="ran_facenet2expnet",
        source="document [1], My_model: region attention over FaceNet2ExpNet's features",
        tables={"document1": 1},
        printed_as=("My_model", "document [1]"),
        ablations={QUESTION_MATCHED: 1, QUESTION_FOUR: 0},
        claims=(32,),
        printed=("crops", "attention", "normalise", "face_net"),
        **MY_MODEL,
    ),
    "ran_facenet2expnet_strongest": Experiment(
        model="ran_facenet2expnet",
        source="document [1]'s pseudocode read literally: the crop with the highest weight is what is classified",
        tables={"document1": 2},
        printed_as=("My_model, strongest crop alone", "document [1]"),
        ablations={QUESTION_MATCHED: 2},
        printed=("crops", "attention", "normalise", "face_net", "reading"),
        reading="strongest",
        defining=("reading",),
        **MY_MODEL,
    ),
    "ran_facenet2expnet_small": Experiment(
        model="ran_facenet2expnet",
        small_of="ran_facenet2expnet",
        source="`ran_facenet2expnet` at a quarter of its width, matched to a MobileFaceNet: for two processor cores",
        width=0.25,
        **{**MY_MODEL, "face_net": "mobilefacenet.h5", "depth": 512, "epochs": 10, "matching_epochs": 10},
    ),
    "face_transfer": Experiment(
        model="face_transfer",
        source="document [1], section D a and its third question: a face network (MobileFaceNet) fine-tuned on "
        "expressions directly, its lower half frozen",
        face_net="mobilefacenet.h5",
        frozen_until="plus3",
        **FACE_TRANSFER,
    ),
    "compact": Experiment(
        model="compact",
        source="beyond the documents: a small residual net that a processor trains fast, from the labels alone",
        **COMPACT,
    ),
    "compact_taught": Experiment(
        model="compact",
        source="beyond the documents: `compact` that also learns the answers of `face_transfer` (Hinton et al. 2015)",
        teacher="face_transfer",
        defining=("teacher",),
        **COMPACT,
    ),
    "vgg_bn": Experiment(
        model="vgg_bn",
        source="beyond the documents: after Pramerdorfer & Kampel 2016 and Khaireddin & Chen 2021",
        **VGG_BN,
    ),
    "vgg_bn_small": Experiment(
        model="vgg_bn",
        small_of="vgg_bn",
        source="`vgg_bn` at half width (1.2 M parameters) and 40 epochs: one to four hours of two processor cores",
        width=0.5,
        **{**VGG_BN, "epochs": 40, "erase": 0.0},
    ),
    "vgg_bn_svm": Experiment(
        model="vgg_bn",
        source="beyond the documents: the L2-SVM loss of Tang 2013 (document [2] quotes its 71.2 %) on `vgg_bn`",
        loss="squared_hinge",
        **{**VGG_BN, "learning_rate": 0.01, "label_smoothing": 0.0},
    ),
    "resnet18_mixup": Experiment(
        model="resnet18",
        source="beyond the documents: ResNet18 with the small stem, mixup and label smoothing",
        optimizer="sgd",
        learning_rate=0.05,
        schedule="cosine",
        weight_decay=5e-4,
        batch_size=128,
        epochs=100,
        stem="small",
        mixup=0.2,
        # narrower than 16 filters, TensorFlow 2.21's processor kernels (oneDNN) write outside their memory here
        **{**STRONG, "smoke": {**CNN_SMOKE, "width": 0.25}},
    ),
}


def resolve(name: str, size: str = "full", overrides: dict | None = None) -> Experiment:
    """The experiment `name` at a size, with single settings overridden.

    Args:
        name: a key of `EXPERIMENTS`.
        size: "full", "quick" or "smoke".
        overrides: dict setting -> value; an unknown name, a value of the wrong type or one that is not allowed, and a
            setting that the experiment is defined by raise `InputError`.
    Returns: `Experiment`.
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
    if resolved.warmup and resolved.schedule != "cosine":
        raise InputError(f"warmup: needs schedule=cosine; received schedule {resolved.schedule!r}")
    return resolved


def _checked(key, value, default):
    """The value as the setting's type; ints pass for floats, nothing else is converted."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        wanted, got = type(default).__name__, type(value).__name__
        raise InputError(f"{key}: must be {wanted}; received {value!r} ({got})")
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
    pairs = [tuple(map(float, part.split(":"))) for part in text.split(",")]
    sizes = [size for size, _ in pairs]
    if sizes != sorted(set(sizes)) or min(min(pair) for pair in pairs) <= 0:
        raise InputError(f"sizes: must grow, with more than 0 epochs each; received {text!r}")


def default_size(dataset: str, size: str = "") -> str:
    """The size meant by "": quick on synthetic faces, full on real ones."""
    if size:
        return check_choice("size", size, SIZES)
    return "quick" if DATASETS[check_choice("dataset", dataset, DATASETS)].is_drawn else "full"


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
    kind = SETTINGS[key].kind
    if kind is bool:
        check_choice(key, text.lower(), ("true", "false", "1", "0", "yes", "no"))
        return text.lower() in ("true", "1", "yes")
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{key}: must be {kind.__name__}; received {text!r}") from None


def differences(name: str, experiment: Experiment, size: str = "full") -> str:
    """In which ways a resolved experiment is not the table's full one, as text ("" if it is)."""
    full, now = EXPERIMENTS[EXPERIMENTS[name].small_of or name].settings(), experiment.settings()
    used = [key for key in full if key != "jit" and is_used(key, experiment)]
    changed = [f"{key} {now[key]} for {full[key]}" for key in used if now[key] != full[key]]
    label = f"{size} size: " if size != "full" else ""
    return label + ", ".join(changed) if changed else ""


def changed_since(record: dict) -> str:
    """In which ways the settings of a run differ from those that its experiment has now, as text ("" if they do not).

    Differences that `record["reduced"]` already names are left out.

    Args:
        record: of a run; a setting that it does not have yet is at its default.
    """
    if record["experiment"] not in EXPERIMENTS:
        return ""
    known = Experiment("").settings()
    then = Experiment(**{key: value for key, value in record["settings"].items() if key in known})
    named = set(re.split(r"; |, |: ", record["reduced"].replace(f" ({EARLIER})", "")))
    items = differences(record["experiment"], then).split(", ")
    changed = ", ".join(item for item in items if item not in named)
    return changed and f"{changed} ({EARLIER})"


def settings_note(record: dict) -> str:
    """Whose settings a run had: in which way it is reduced, "settings of the document" where the source prints all that
    have an effect, else which of them it prints.

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
    off = {"schedule": "constant", "sampling": "shuffle", "precision": "float32", "width": 1.0}
    off |= {} if experiment.schedule == "plateau" else {"plateau": experiment.plateau}
    values = {key: value for key, value in experiment.settings().items() if key not in ("model", "jit")}
    return [
        key
        for key, value in values.items()
        if is_used(key, experiment) and value not in (0, "", "none", off.get(key, 0))
    ]


def equal_steps(name: str, share: float, size: str = "full", overrides: dict | None = None) -> dict:
    """Settings that give a run on a share of the training images as many optimizer steps as one on all of them: the
    epochs of both stages times 1 / share. At equal epochs the smaller run has fewer
    steps, so it may be undertrained and not only short of data.

    Args:
        name, size, overrides: see `resolve`.
        share: of the training images, above 0 to 1.
    Returns: dict of overrides. Empty where a limit already keeps the number of images (smoke sizes).
    """
    check_range("share", share, 0.001, 1)
    experiment = resolve(name, size, overrides)
    if experiment.limit:
        return {}
    epochs = {key: getattr(experiment, key) for key in ("epochs", "matching_epochs")}
    return {key: round(value / share) for key, value in epochs.items() if value}


def is_used(key: str, experiment: Experiment) -> bool:
    """False for a setting that this experiment's model or training never looks at: a value for all notebooks of a
    `make reproduce` is no difference to those that do not take it."""
    if key == "saliency":
        return bool(experiment.salient_by)
    if key in ("teacher_share", "temperature", "teacher_views"):
        return bool(experiment.teacher)
    if key in ("face_net_epochs", "matching_rate", "matching_power"):
        return bool(experiment.matching_epochs)
    if key == "face_net":
        return bool(experiment.matching_epochs) or key in model_options(experiment.model)
    if key in ("head_epochs", "head_learning_rate", "unfreeze", "freeze_norm") and not is_pretrained(experiment):
        return False
    of_models = {option for model in MODELS for option in model_options(model)}
    return key not in of_models or key in model_options(experiment.model)
