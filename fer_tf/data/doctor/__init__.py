"""Examining a dataset: duplicates, conflicting labels, blank pictures."""
