"""`crop_faces`: pictures in, the faces in them out, ready for a model."""

from dataclasses import dataclass

import numpy as np

from ...common.checks import InputError, check_choice, check_range, check_whole
from ..images import resize
from .detection import detect_faces
from .geometry import Face, crop_face


@dataclass(frozen=True)
class FaceCrop:
    """What `crop_faces` cut out.

    Attributes:
        image: uint8 [size, size, C].
        face: the `Face` it shows; None where it is the whole picture.
    """

    image: np.ndarray
    face: Face | None = None

    @property
    def detected(self):
        """False where no face was found (or none was looked for) and this is the whole picture."""
        return self.face is not None


def crop_faces(
    images,
    size,
    detector="mtcnn",
    select="largest",
    margin=0.2,
    align=True,
    missing="whole",
    **options,
):
    """Finds the faces in pictures and cuts them out.

    Args:
        images: list of uint8 [H, W, 1 or 3] (RGB), sizes may differ.
        size: side of the crops in pixels.
        detector: a key of `DETECTORS`; with "none" every crop is the whole picture.
        select: "largest" (one face a picture) or "all".
        margin, align: see `crop_face`.
        missing: where no face is found: "whole" (the picture as it is, squeezed to the square as ready face crops
            are), "skip" (nothing) or "error".
        **options: min_size, max_side and the detector's own, see `detect_faces`.
    Returns: list with a list of `FaceCrop` for each picture, the largest face first.
    Raises: `InputError`, with missing="error" also for a picture without a face.
    """
    check_whole("size", size, 1, 4096)
    check_range("margin", margin, 0, 2)
    check_choice("select", select, ("largest", "all"))
    check_choice("missing", missing, ("whole", "skip", "error"))
    found = detect_faces(images, detector, **options)
    if detector == "none":
        return [[FaceCrop(resize(image, (size, size)))] for image in images]
    faceless = [position for position, faces in enumerate(found) if not faces]
    if faceless and missing == "error":
        raise InputError(f"images: {detector} finds no face in number {', '.join(map(str, faceless[:10]))}")
    crops = []
    for image, faces in zip(images, found, strict=True):
        chosen = faces[:1] if select == "largest" else faces
        cut = [FaceCrop(crop_face(image, face, size, margin, align), face) for face in chosen]
        crops.append(cut or [FaceCrop(resize(image, (size, size)))] * (missing == "whole"))
    return crops
