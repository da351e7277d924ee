"""Builds, fits and evaluates the models that read digits."""
