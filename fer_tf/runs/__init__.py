"""Finished runs: their records, evaluation, comparison, release and report."""
