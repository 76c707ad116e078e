"""Class probabilities of images from a model, batch by batch."""

from ..common.inference import predict_probabilities, probability_fault

__all__ = ["predict_probabilities", "probability_fault"]
