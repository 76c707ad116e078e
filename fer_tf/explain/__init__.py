"""What models look at."""

from .attention import sampled_windows
from .graph import cut_at_last_map
from .methods import METHODS, check_method, class_name, explain
from .regions import (
    covered_shares,
    region_boxes,
    region_map,
    region_pictures,
    region_weights,
    strongest_crop,
    weight_against_cover,
)
from .saliency import SaliencySettings, salient, salient_dataset
from .sanity import map_similarity, scrambled
from .scoring import centre_gaussian, mass_inside, pointing_game, score_maps

__all__ = [
    "METHODS",
    "SaliencySettings",
    "centre_gaussian",
    "check_method",
    "class_name",
    "covered_shares",
    "cut_at_last_map",
    "explain",
    "map_similarity",
    "mass_inside",
    "pointing_game",
    "region_boxes",
    "region_map",
    "region_pictures",
    "region_weights",
    "salient",
    "salient_dataset",
    "sampled_windows",
    "score_maps",
    "scrambled",
    "strongest_crop",
    "weight_against_cover",
]
