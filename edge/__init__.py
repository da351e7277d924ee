"""Runs models on frames: runtimes, recognizer, cameras, finding digits, the live loop."""
