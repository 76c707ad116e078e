"""Predicts expressions in pictures, folders, lists and films."""

from .inputs import collect_files
from .pictures import load_image, preprocess_image, sample_path
from .recognizer import EmotionRecognizer

__all__ = ["EmotionRecognizer", "collect_files", "load_image", "preprocess_image", "sample_path"]
