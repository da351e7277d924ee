"""The web page of the live loop: picture, number, history, settings, corrections, metrics."""
