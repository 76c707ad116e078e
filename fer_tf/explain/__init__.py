"""Explanations: what models look at."""

from .attention_weights import (
    covered_shares,
    region_boxes,
    region_map,
    region_pictures,
    region_weights,
    strongest_crop,
    weight_against_cover,
)
from .emotion_regions import emotions_differ, mean_maps, region_shares, regions_sentence
from .last_map import cut_at_last_map
from .maps import empty_reason, is_empty
from .methods import METHODS, TITLES, check_method, class_name, default_method, explain, method_of_head, resolve_method
from .pointing import centre_gaussian, mass_inside, pointing_game, score_maps
from .salient_pictures import SaliencySettings, salient, salient_dataset
from .sanity import map_similarity, scrambled
from .windows import sampled_windows

__all__ = [
    "METHODS",
    "TITLES",
    "SaliencySettings",
    "centre_gaussian",
    "check_method",
    "class_name",
    "covered_shares",
    "cut_at_last_map",
    "default_method",
    "emotions_differ",
    "empty_reason",
    "explain",
    "is_empty",
    "map_similarity",
    "mass_inside",
    "mean_maps",
    "method_of_head",
    "pointing_game",
    "region_boxes",
    "region_map",
    "region_pictures",
    "region_shares",
    "region_weights",
    "regions_sentence",
    "resolve_method",
    "salient",
    "salient_dataset",
    "sampled_windows",
    "score_maps",
    "scrambled",
    "strongest_crop",
    "weight_against_cover",
]
