"""Measures models after conversion: accuracy, latency, size, side by side."""
