"""What an experiment can be set to: the form that every entry of `EXPERIMENTS` fills in."""

from dataclasses import asdict, dataclass, field, fields

from ..layers import Augmentation


@dataclass(frozen=True)
class Experiment:
    """The settings of a training run.

    Attributes:
        model: a key of `MODELS`; `dropout` and `width` go to its builder where it has them.
        source: where the settings come from.
        claims: ids of the rows of claims.csv that this experiment answers.
        printed: names of the settings that the source document prints, with these values; the others are the kit's.
        defining: settings that make it this experiment and no other: they cannot be overridden.
        small_of: the experiment that this one is a smaller form of ("": none): its runs are called reduced beside that.
        optimizer, learning_rate, batch_size, epochs: as usual; sgd has Nesterov momentum 0.9; adamw leaves biases and
            normalisation out of the weight decay.
        schedule: "constant", "cosine" (to zero) or "plateau" (times 0.3 after `plateau` epochs without a better
            validation loss).
        warmup: with the cosine schedule, epochs (also a part of one) in which the rate rises from zero, step by step;
            the cosine then falls step by step, too.
        clip_norm: gradients are scaled down where the norm of all of them together is larger; 0: never.
        ema: decay of an exponential moving average of the weights (0.999, say), which is then what is validated and
            kept; 0: the weights themselves.
        sizes: progressive resizing, "32:12,40:12,48:24": 12 epochs with pictures of 32 px, 12 of 40, 24 of 48. "": all
            epochs with the pictures as they are. For models with a pooled head; validation is at the size of training,
            and the best epoch is one at the last size.
        patience: epochs without a better validation loss after which training stops; 0 never stops.
        class_weights: weight classes inversely to their frequency.
        sampling: "shuffle" or "balanced" (classes equally likely).
        loss: "crossentropy" or "squared_hinge" (L2-SVM).
        label_smoothing, mixup: 0 for none.
        weight_decay: decoupled, of the optimizer; l2: λ on the weights of the last dense layers, in the loss.
        image_size, image_channels: pictures are converted to (0: as the dataset is).
        weights, backbone, resolution, stem: of models that have them, see `fer_tf.models`.
        head_epochs: the first of `epochs`, with the pretrained part frozen, at head_learning_rate. With weights "none"
            nothing is pretrained: this, unfreeze and freeze_norm are not looked at, all learns in one phase.
        unfreeze: what learns in the other epochs: "" all, a layer's name, a share of the layers, or several of these
            separated by commas, which share the epochs.
        freeze_norm: keep the pretrained part's batch normalisation as it is.
        crops, attention, normalise, margin, bias_weight, reading, depth: of the region attention networks and
            FaceNet2ExpNet, see `fer_tf.models.ran` and `fer_tf.models.facenet2expnet`. normalise="softmax" is meant
            with margin=0.1, which is to be set with it: the default margin is the sigmoid's.
        face_net: whose map stage 1 of FaceNet2ExpNet matches: "identities", "keras_facenet" or a Keras model's file.
        face_net_epochs: epochs in which the face net is first trained on expressions (0: as it is).
        matching_epochs: of stage 1, before `epochs`; 0 leaves it out.
        matching_rate, matching_power: its learning rate (Adam, cosine) and the p of its distance.
        frozen_until: of `face_transfer`, the last layer of the face network that does not learn ("": all learn).
        shape: of `compact`, see `fer_tf.models.compact`.
        pair_relu: of `deepfer`, see `fer_tf.models.deepfer`.
        teacher: runs whose answers are learned beside the labels (distillation): names of finished runs, or of
            experiments whose runs on the same data with the same seed are meant, separated by "+"; "": none.
        teacher_share: λ of the teacher's part in the loss; temperature: T, see `fer_tf.losses.Distillation`.
        teacher_views: "once" (the teacher's mean answer to a picture and its mirror image, computed once) or
            "augmented" (its answer to each changed picture, which costs its forward pass at every step).
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto": float32 or bfloat16, whichever a short
            measurement at the start finds faster here. The saved model is float32.
        salient_by: an experiment whose model, trained on the same pictures first, gives the maps of document [3]'s
            saliency step ("": none); saliency: "weight" or "crop", see `fer_tf.explain.salient`.
        rotation .. erase: see `Augmentation`.
        limit: images a split at most (0: all); marks a run as reduced.
        jit: "auto" (XLA on an accelerator), "on", "off".
    """

    model: str
    source: str = ""
    claims: tuple = ()
    printed: tuple = ()
    defining: tuple = ()
    small_of: str = ""
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 30
    schedule: str = "constant"
    plateau: int = 3
    warmup: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    sizes: str = ""
    patience: int = 0
    dropout: float = 0.5
    width: float = 1.0
    class_weights: bool = False
    sampling: str = "shuffle"
    loss: str = "crossentropy"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    weight_decay: float = 0.0
    l2: float = 0.0
    image_size: int = 0
    image_channels: int = 0
    backbone: str = "DenseNet121"
    weights: str = "none"
    resolution: int = 0
    stem: str = "standard"
    head_epochs: int = 0
    head_learning_rate: float = 1e-3
    unfreeze: str = ""
    freeze_norm: bool = True
    crops: str = "fixed6"
    attention: str = "relation"
    normalise: str = "sigmoid"
    margin: float = 0.02
    bias_weight: float = 1.0
    reading: str = "combined"
    depth: int = 512
    face_net: str = "none"
    face_net_epochs: int = 0
    frozen_until: str = ""
    shape: str = "tapered"
    # a default is what held before there was the setting: a record without it is read by it
    pair_relu: bool = False
    teacher: str = ""
    teacher_share: float = 0.5
    temperature: float = 1.5
    teacher_views: str = "once"
    matching_epochs: int = 0
    matching_rate: float = 1e-3
    matching_power: float = 2.0
    precision: str = "float32"
    salient_by: str = ""
    saliency: str = "weight"
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
ABOUT = ("source", "claims", "printed", "defining", "small_of", "quick", "smoke")
