"""`crop_faces`: finds the faces in pictures and cuts them out, ready for a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.checks import InputError, check_choice, check_range, check_whole
from ..images import resize
from .detection import detect_faces
from .detectors import check_alignment
from .geometry import Face, crop_face


@dataclass(frozen=True)
class FaceCrop:
    """A picture that `crop_faces` cut out.

    Attributes:
        image: uint8 [size, size, C].
        face: the `Face` in it; None if it is the whole picture.
    """

    image: np.ndarray
    face: Face | None = None

    @property
    def detected(self) -> bool:
        """False if this is the whole picture, because no face was found or none was searched."""
        return self.face is not None


def crop_faces(
    images: Sequence[np.ndarray],
    size: int,
    detector: str = "mtcnn",
    select: str = "largest",
    margin: float = 0.2,
    align: str | bool = "eyes",
    missing: str = "whole",
    found: Sequence[Sequence[Face]] | None = None,
    **options: Any,
) -> list[list[FaceCrop]]:
    """Finds the faces in pictures and cuts them out.

    Args:
        images: list of uint8 [H, W, 1 or 3] (RGB), sizes may differ.
        size: side of the crops in pixels.
        detector: a key of `DETECTORS`; with "none" every crop is the whole picture.
        select: "largest" (one face in each picture) or "all".
        margin, align: see `crop_face`.
        missing: what to do without a face: "whole" (use the whole picture, squeezed to a square, which is right for
            pictures that are face crops already), "skip" (no crop) or "error".
        found: the faces of each picture, the largest first, if they are known already; None searches for them.
        **options: min_size, max_side and the detector's own options, see `detect_faces`.
    Returns: a list of `FaceCrop` for each picture, the largest face first.
    Raises: `InputError` for a wrong argument; with missing="error" also for a picture without a face.
    """
    check_whole("size", size, 1, 4096)
    check_range("margin", margin, 0, 2)
    check_choice("select", select, ("largest", "all"))
    check_choice("missing", missing, ("whole", "skip", "error"))
    align = check_alignment(align, detector)
    faces_of = detect_faces(images, detector, **options) if found is None else found
    if detector == "none":
        return [[FaceCrop(resize(image, (size, size)))] for image in images]
    faceless = [position for position, faces in enumerate(faces_of) if not faces]
    if faceless and missing == "error":
        raise InputError(f"images: {detector} finds no face in number {', '.join(map(str, faceless[:10]))}")
    crops = []
    for image, faces in zip(images, faces_of, strict=True):
        chosen = faces[:1] if select == "largest" else faces
        face_crops = [FaceCrop(crop_face(image, face, size, margin, align), face) for face in chosen]
        crops.append(face_crops or [FaceCrop(resize(image, (size, size)))] * (missing == "whole"))
    return crops
