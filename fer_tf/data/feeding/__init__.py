"""Gives pictures to training: the plan of an epoch, and the pipelines that follow it."""
