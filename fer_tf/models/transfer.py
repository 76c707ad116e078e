"""Transfer from ImageNet: document [2]'s VGG16 and MobileNet, document [1]'s Akhand 2021."""

from .backbones import transfer_model


def vgg16(input_shape, num_classes, weights=None, resolution=0, dense=256, dropout=0.5, width=1.0, l2=0.0):
    """VGG16 (Simonyan & Zisserman 2015) with a new head, as document [2] transfers it.

    Args:
        input_shape: (height, width, 1 or 3).
        num_classes: C.
        weights: None, "imagenet" or a file; see `transfer_model`.
        resolution: side that pictures are resized to inside; 0: their own.
        dense: units of the head's dense layer.
        dropout, width, l2: see `transfer_model`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    return transfer_model("vgg16", "VGG16", input_shape, num_classes, weights, resolution, dense, dropout, width, l2)


def mobilenet(input_shape, num_classes, weights=None, resolution=0, dense=0, dropout=0.5, width=1.0, l2=0.0):
    """MobileNet (Howard et al. 2017) with a new head, as document [2] transfers it; see `vgg16` for the arguments."""
    return transfer_model(
        "mobilenet", "MobileNet", input_shape, num_classes, weights, resolution, dense, dropout, width, l2
    )


def akhand(
    input_shape,
    num_classes,
    backbone="DenseNet121",
    weights=None,
    resolution=0,
    dense=512,
    dropout=0.5,
    width=1.0,
    l2=0.0,
):
    """Akhand et al. 2021: a pretrained network with a dense head; the head is trained first, then blocks are unfrozen
    one after another from the top ("pipeline" fine-tuning; the experiment's `unfreeze` lists the steps).

    The paper's best is DenseNet161; `keras.applications` has DenseNet121, 169 and 201.

    Args:
        backbone: a name of `keras.applications` (`fer_tf.models.backbones.backbone_names()`: all but ConvNeXt's).
        others: see `vgg16`.
    """
    return transfer_model("akhand", backbone, input_shape, num_classes, weights, resolution, dense, dropout, width, l2)


def is_pretrained(experiment):
    """True where a part of the model comes with weights, ImageNet's or a file's."""
    return experiment.weights not in ("", "none")


def starts_from_nothing(experiment):
    """True for one of these models without pretrained weights: there is nothing in it that could be kept frozen."""
    return experiment.model in ("vgg16", "mobilenet", "akhand") and not is_pretrained(experiment)
