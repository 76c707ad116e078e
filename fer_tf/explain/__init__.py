"""What models look at."""

from .attention import sampled_windows
from .graph import cut_at_last_map
from .methods import METHODS, explain
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
    "METHODS", "covered_shares", "cut_at_last_map", "explain", "region_boxes", "region_map", "region_pictures",
    "region_weights", "sampled_windows", "strongest_crop", "weight_against_cover",
]  # fmt: skip
