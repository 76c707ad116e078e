"""What models look at."""

from .attention import sampled_windows
from .regions import (
    covered_shares,
    region_boxes,
    region_map,
    region_pictures,
    region_weights,
    strongest_crop,
    weight_against_cover,
)

__all__ = [
    "covered_shares", "region_boxes", "region_map", "region_pictures", "region_weights", "sampled_windows",
    "strongest_crop", "weight_against_cover",
]  # fmt: skip
