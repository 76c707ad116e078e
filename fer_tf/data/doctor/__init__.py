"""Checks a dataset for duplicates, conflicting labels and blank pictures."""
