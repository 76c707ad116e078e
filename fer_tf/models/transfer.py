"""Transfer from ImageNet: VGG16 and MobileNet (document [2]), Akhand et al. 2021 (document [1])."""

from collections.abc import Callable
from typing import Any

import keras

from .backbones import transfer_model


def head_first(builder: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Marks a builder whose head may be trained before the pretrained part, see `fer_tf.models.has_head_phase`."""
    builder.has_head_phase = True  # type: ignore[attr-defined]
    return builder


@head_first
def vgg16(
    input_shape: tuple[int, int, int],
    num_classes: int,
    weights: str | None = None,
    resolution: int = 0,
    dense: int = 256,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """VGG16 (Simonyan & Zisserman 2015) with a new head, as in document [2].

    Args:
        input_shape: (height, width, 1 or 3).
        num_classes: C.
        weights: None, "imagenet" or a file; see `transfer_model`.
        resolution: side in pixels that the model resizes pictures to; 0 keeps their own side.
        dense: units of the head's dense layer.
        dropout, width, l2: see `transfer_model`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    return transfer_model("vgg16", "VGG16", input_shape, num_classes, weights, resolution, dense, dropout, width, l2)


@head_first
def mobilenet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    weights: str | None = None,
    resolution: int = 0,
    dense: int = 0,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """MobileNet (Howard et al. 2017) with a new head, as in document [2]. Arguments and result: see `vgg16`."""
    return transfer_model(
        "mobilenet", "MobileNet", input_shape, num_classes, weights, resolution, dense, dropout, width, l2
    )


@head_first
def akhand(
    input_shape: tuple[int, int, int],
    num_classes: int,
    backbone: str = "DenseNet121",
    weights: str | None = None,
    resolution: int = 0,
    dense: int = 512,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """A pretrained network with a dense head (Akhand et al. 2021).

    Training starts with the head. Then blocks are unfrozen one after another from the top ("pipeline" fine-tuning);
    `unfreeze` of the experiment lists the steps. The paper's best backbone is DenseNet161; `keras.applications` has
    DenseNet121, 169 and 201.

    Args:
        input_shape: (height, width, 1 or 3).
        num_classes: C.
        backbone: one of `fer_tf.models.backbones.backbone_names()`.
        weights, resolution, dense, dropout, width, l2: see `vgg16`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    return transfer_model("akhand", backbone, input_shape, num_classes, weights, resolution, dense, dropout, width, l2)


def is_pretrained(experiment: Any) -> bool:
    """True if an experiment starts with pretrained weights, from ImageNet or from a file."""
    return experiment.weights not in ("", "none")
