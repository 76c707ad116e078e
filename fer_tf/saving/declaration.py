"""What the user declares about a model that was not made by the kit: its pixels, its classes and its channels.

A file of the kit says these things itself. Any other file may want other pixels than the raw 0..255 that the kit gives,
and may have its classes in another order. With the wrong ones it still answers, but its answers mean nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.checks import InputError, ModelFileError, check_choice
from ..data import DATASETS
from ..emotions import EMOTIONS, canonical_emotion

if TYPE_CHECKING:
    from ..layers.declared_input import DeclaredInput

ALPHABETICAL = "alphabetical"


@dataclass(frozen=True)
class Declaration:
    """What a model that was not made by the kit was trained on.

    Attributes:
        pixels: a key of `fer_tf.layers.declared_input.PIXELS`, such as "0..1", or "mean=M,std=S".
        classes: the model's outputs in order: a name of `named_orders`, or emotion names, as a sequence or as text with
            commas between them.
        channels: "gray", "rgb" or "bgr"; None for gray if the model takes one channel, and RGB if it takes three.
        is_guess: True if `fer_tf.saving.adopting.guess_pixels` chose the pixels.
    Raises: `InputError` for pixels or channels that the kit does not know.
    """

    pixels: str
    classes: str | Sequence[str]
    channels: str | None = None
    is_guess: bool = False

    def __post_init__(self) -> None:
        from ..layers.declared_input import CHANNELS, check_pixels

        check_pixels(self.pixels)
        check_choice("channels", self.channels, (None, *CHANNELS))

    def class_names(self, outputs: int) -> tuple[str, ...]:
        """The kit's names of a model's outputs, in their order.

        Args:
            outputs: the number of outputs.
        Raises: `InputError` if the declared classes are unknown, repeated, or not as many as the outputs.
        """
        if isinstance(self.classes, str) and "," not in self.classes:
            orders = named_orders(outputs)
            if self.classes not in orders:
                raise InputError(_no_such_order(self.classes, outputs, orders))
            return orders[self.classes]
        spellings = self.classes.split(",") if isinstance(self.classes, str) else list(self.classes)
        try:
            names = tuple(canonical_emotion(name) for name in spellings)
        except InputError as error:
            raise InputError(f"classes: {error}") from None
        if len(names) != outputs or len(set(names)) < len(names):
            raise InputError(
                f"classes: must be {outputs} different emotions, one for each output; received {', '.join(names)}"
            )
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
        """What the model's provenance says about this declaration: pixels, channels, and whether it is a guess."""
        return {"pixels": self.pixels, "channels": self.channels_of(count), "guess": self.is_guess}


def declared_text(provenance: dict) -> str:
    """One sentence on what was declared about a model, from its provenance; "" for a model that the kit made."""
    about = provenance.get("declared")
    if not isinstance(about, dict):
        return ""
    guess = " (a guess: check it against the model's training)" if about.get("guess") else ""
    return f"declared by the user: pixels {about.get('pixels')}{guess}, channels {about.get('channels')}, the classes"


def named_orders(outputs: int) -> dict[str, tuple[str, ...]]:
    """The orders of classes that have a name and fit a model: dict name -> emotion names.

    They are the datasets' own codes (`DatasetSpec.label_order`), and "alphabetical", in which `flow_from_directory` and
    `image_dataset_from_directory` number folders: the first 6, 7 or 8 names of `EMOTIONS`, sorted. An order that ends
    in contempt also fits a model without it.

    Args:
        outputs: the number of the model's outputs.
    """
    orders = {name: spec.label_order for name, spec in DATASETS.items() if spec.label_order}
    fitting = {name: order[:outputs] for name, order in orders.items() if _fits(order, outputs)}
    return {**fitting, ALPHABETICAL: tuple(sorted(EMOTIONS[:outputs]))} if 6 <= outputs <= len(EMOTIONS) else fitting


def _fits(order, outputs):
    return outputs == len(order) or (order[-1] == "contempt" and outputs == len(order) - 1)


def _no_such_order(name, outputs, orders):
    known = ", ".join(f"{key} ({' '.join(order)})" for key, order in orders.items()) or "none"
    return (
        f"classes: the named orders of {outputs} classes are {known}; or give {outputs} emotions with commas between "
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
            f"{subject}: says its pixels and classes itself; leave pixels, classes, channels and guess out"
        )
