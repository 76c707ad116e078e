"""Helpers for the whole package: argument checks, paths, files, hashes, quiet output and safe text."""
