"""What Prometheus may ask of the live loop: frames, speed by stage, digits, losses of the camera, temperature."""

from typing import Any

from edgits import __version__
from edgits.edge.board import temperature
from edgits.edge.sinks import Shot
from edgits.errors import require

# Seconds; from a small frame on a PC to a 12 MP photo on a Pi Zero.
_BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048)


class Metrics:
    """A sink that counts; `expose` gives the counts in the text format of Prometheus.

    Raises:
        MissingExtraError: The package `prometheus-client` isn't installed.
    """

    def __init__(self) -> None:
        client: Any = require("prometheus_client", extra="web")
        self._client, self._registry = client, client.CollectorRegistry()
        self._lost = False

        def make(kind: str, name: str, text: str, *labels: str, **options: Any) -> Any:
            return getattr(client, kind)(f"edgits_{name}", text, labels, registry=self._registry, **options)

        make("Info", "build", "The program").info({"version": __version__})
        self._frames = make("Counter", "frames", "Frames read")
        self._digits = make("Counter", "digits", "Digits read, by digit; one seen in ten frames counts ten", "digit")
        self._stages = make("Histogram", "stage_seconds", "Time of each stage of a frame", "stage", buckets=_BUCKETS)
        self._latency = make("Histogram", "frame_seconds", "Time that reading a frame took", buckets=_BUCKETS)
        self._age = make("Gauge", "frame_age_seconds", "Age of the newest picture of a live camera when it was read")
        self._fps = make("Gauge", "fps", "Frames a second, over the last 30")
        self._up = make("Gauge", "camera_up", "1 while the camera gives pictures, else 0")
        self._losses = make("Counter", "camera_losses", "How often the camera was lost")
        make("Gauge", "temperature_celsius", "The warmest zone of the board; NaN where it doesn't tell").set_function(
            lambda: float("nan") if (degrees := temperature()) is None else degrees
        )
        for digit in range(10):
            self._digits.labels(digit)  # so that each is there from the start, with 0

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`."""
        if shot.lost is not None:
            if not self._lost:
                self._losses.inc()
            self._fps.set(0)
        else:
            result = shot.result
            self._frames.inc()
            for digit in result.digits:
                self._digits.labels(digit.digit).inc()
            for stage, milliseconds in result.timings.items():
                self._stages.labels(stage).observe(milliseconds / 1000)
            self._latency.observe(result.latency_ms / 1000)
            if result.age_ms is not None:
                self._age.set(result.age_ms / 1000)
            if shot.fps is not None:
                self._fps.set(shot.fps)
        self._lost = shot.lost is not None
        self._up.set(not self._lost)
        return True

    def close(self) -> None:
        """See `Sink.close`; nothing to finish."""

    def expose(self) -> tuple[bytes, str]:
        """Returns the counts now, and their content type."""
        return self._client.generate_latest(self._registry), self._client.CONTENT_TYPE_LATEST
