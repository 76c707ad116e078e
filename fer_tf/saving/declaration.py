"""What the user declares about a model that was not made by the kit: its pixels, its classes and its channels.

A file of the kit says these things itself. Any other file may want other pixels than the raw 0..255 that the kit gives,
and may have its classes in another order. With the wrong ones it still answers, but its answers mean nothing.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import InputError, ModelFileError, check_choice
from ..common.inference import probability_fault
from ..data.images import convert
from ..emotions import EMOTIONS, class_name, similar_emotion

if TYPE_CHECKING:
    from ..layers.declared_input import DeclaredInput

ALPHABETICAL = "alphabetical"


@dataclass(frozen=True)
class Declaration:
    """What a model that was not made by the kit was trained on.

    Attributes:
        pixels: a key of `fer_tf.layers.declared_input.PIXELS`, such as "0..1", or "mean=M,std=S".
        classes: the model's outputs in order: a name of `named_orders`, or names, as a sequence or as text with commas
            between them. Emotions may be spelled in any known way; other names are classes of your own.
        channels: "gray", "rgb" or "bgr"; None for gray if the model takes one channel, and RGB if it takes three.
        is_guess: True if `fer_tf.saving.adopting.guess_pixels` chose the pixels.
        logits: the outputs are raw scores, as of a last layer without an activation; a softmax makes probabilities of
            them.
    Raises: `InputError` for pixels or channels that the kit does not know.
    """

    pixels: str
    classes: str | Sequence[str]
    channels: str | None = None
    is_guess: bool = False
    logits: bool = False

    def __post_init__(self) -> None:
        from ..layers.declared_input import CHANNELS, check_pixels

        check_pixels(self.pixels)
        check_choice("channels", self.channels, (None, *CHANNELS))

    def class_names(self, outputs: int) -> tuple[str, ...]:
        """The kit's names of a model's outputs, in their order; warns of a name that is nearly an emotion.

        Args:
            outputs: the number of outputs.
        Raises: `InputError` if the declared classes cannot be names, are repeated, or not as many as the outputs.
        """
        if isinstance(self.classes, str) and "," not in self.classes:
            orders = named_orders(outputs)
            if self.classes not in orders:
                raise InputError(_no_such_order(self.classes, outputs, orders))
            return orders[self.classes]
        spellings = self.classes.split(",") if isinstance(self.classes, str) else list(self.classes)
        try:
            names = tuple(class_name(name) for name in spellings)
        except InputError as error:
            raise InputError(f"classes: {error}") from None
        if len(names) != outputs or len(set(names)) < len(names):
            raise InputError(
                f"classes: must be {outputs} different names, one for each output; received {', '.join(names)}"
            )
        for name in names:
            if name not in EMOTIONS and (meant := similar_emotion(name)):
                warnings.warn(f"classes: {name} is taken as a class of its own; is {meant} meant?", stacklevel=3)
        return names

    def channels_of(self, count: int) -> str:
        """The declared channels, or the usual ones of a model that takes `count` channels."""
        return self.channels or ("gray" if count == 1 else "rgb")

    def layer(self, count: int) -> DeclaredInput | None:
        """The layer that turns raw pixels into the declared ones, built; None if the model takes raw ones as read.

        Args:
            count: the number of channels that the model takes.
        Raises: `InputError` if the declared pixels or channels need another number of channels.
        """
        channels = self.channels_of(count)
        if (self.pixels, channels) == ("0..255", "gray" if count == 1 else "rgb"):
            return None
        from ..layers.declared_input import DeclaredInput

        layer = DeclaredInput(self.pixels, channels, name="declared_input")
        layer.build((None, None, None, count))
        return layer

    def about(self, count: int) -> dict[str, Any]:
        """What the model's provenance says of this declaration: pixels, channels, whether it is a guess, and logits."""
        about = {"pixels": self.pixels, "channels": self.channels_of(count), "guess": self.is_guess}
        return {**about, "logits": True} if self.logits else about

    def check_answers(self, subject: object, answers: np.ndarray) -> None:
        """Checks that a model's outputs are what is declared: probabilities, or with `logits` raw scores.

        Args:
            subject: the model, for the message.
            answers: [N, C], its outputs for `drawn_pictures` with the declared pixels, without a softmax of the kit.
        Raises: `InputError` for raw scores that are not declared, and for probabilities that are declared as scores.
        """
        answers = np.asarray(answers, np.float64)
        fault = probability_fault(answers)
        if self.logits and not fault:
            raise InputError(
                f"logits: the outputs of {subject} are probabilities already; leave it out, because another softmax "
                "would make all classes nearly equal"
            )
        if fault and not self.logits:
            raise InputError(
                f"{subject}: its outputs are not probabilities: on drawn faces {fault}. If they are raw scores (no "
                "softmax at the end), add --logits (in Python logits=True); a softmax is then applied to them"
            )
        if not np.isfinite(answers).all():
            raise InputError(f"{subject}: its outputs on drawn faces are not finite numbers; other pixels may help")


def declared_text(provenance: dict) -> str:
    """One sentence on what was declared about a model, from its provenance; "" for a model that the kit made."""
    about = provenance.get("declared")
    if not isinstance(about, dict):
        return ""
    guess = " (a guess: check it against the model's training)" if about.get("guess") else ""
    scores = ", raw scores as outputs" if about.get("logits") else ""
    return (
        f"declared by the user: pixels {about.get('pixels')}{guess}, channels {about.get('channels')}, the classes"
        f"{scores}"
    )


def drawn_pictures(shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Drawn faces at a model's size, to see how it answers: uint8 [count, H, W, C]; always the same."""
    from ..data.drawn_faces import draw_faces

    return convert(draw_faces(count, seed=0).images, shape[:2], shape[2])


def named_orders(outputs: int) -> dict[str, tuple[str, ...]]:
    """The orders of classes that have a name and fit a model: dict name -> emotion names.

    They are the datasets' own codes (`DatasetSpec.label_order`), and "alphabetical", in which `flow_from_directory` and
    `image_dataset_from_directory` number folders: the first 6, 7 or 8 names of `EMOTIONS`, sorted. An order that ends
    in contempt also fits a model without it.

    Args:
        outputs: the number of the model's outputs.
    """
    from ..data import DATASETS

    orders = {name: spec.label_order for name, spec in DATASETS.items() if spec.label_order}
    fitting = {name: order[:outputs] for name, order in orders.items() if _fits(order, outputs)}
    return {**fitting, ALPHABETICAL: tuple(sorted(EMOTIONS[:outputs]))} if 6 <= outputs <= len(EMOTIONS) else fitting


def _fits(order, outputs):
    return outputs == len(order) or (order[-1] == "contempt" and outputs == len(order) - 1)


def _no_such_order(name, outputs, orders):
    known = ", ".join(f"{key} ({' '.join(order)})" for key, order in orders.items()) or "none"
    return (
        f"classes: the named orders of {outputs} classes are {known}; or give {outputs} names with commas between "
        f"them; received {name!r}"
    )


def undeclared(path: str | Path, outputs: int) -> ModelFileError:
    """The error for a file that was not made by the kit and whose pixels and classes are not declared.

    Args:
        path: the file.
        outputs: the number of its outputs.
    Returns: a `ModelFileError`, to be raised. It shows the commands to type.
    """
    from ..layers.declared_input import ALLOWED_PIXELS

    orders = named_orders(outputs)
    names = next(iter(orders), ",".join(EMOTIONS[:outputs]))
    options = f"--pixels 0..1 --classes {names}"
    path = Path(path)
    adopt = f"`fer-tf adopt {shlex.quote(str(path))} {options} --out {shlex.quote(f'{path.stem}-adopted.h5')}`"
    once = "" if path.suffix in (".onnx", ".tflite") else f" Or write them into a file of the kit once: {adopt}."
    return ModelFileError(
        f"{path}: does not say its classes and pixel range, because it was not made by the kit. Add what its training "
        f"used, for example `{options}` (`--guess` instead of --pixels tries the ranges).{once} "
        f"pixels: {ALLOWED_PIXELS}; classes: {', '.join([*orders, f'or {outputs} names with commas'])}"
    )


def check_undescribed(subject: object, declaration: Declaration | None) -> None:
    """Raises `InputError` if there is a declaration about a model that says its pixels and classes itself."""
    if declaration is not None:
        raise InputError(
            f"{subject}: says its pixels and classes itself; leave pixels, classes, channels, guess and logits out"
        )
