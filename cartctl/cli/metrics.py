"""The numbers for Prometheus, as a file for the node exporter's textfile collector. Imported where one is asked for.

Counters come from the database: they outlive every run, and never go back.
"""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cartctl.jobs.status import Figures


def write(figures: Figures, path: Path, *, success: bool) -> None:
    """Replace the file in one step: a reader finds the old one or the new. Raises OSError."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures, success=success))
    write_to_textfile(str(path), registry)


class _Collector:
    """Hands the registry what was counted elsewhere."""

    def __init__(self, figures: Figures, *, success: bool) -> None:
        self._figures, self._success = figures, success

    def collect(self) -> Iterator[Metric]:
        yield from self._messages()
        figures = self._figures
        yield GaugeMetricFamily("cartctl_messages_due", "Messages that are due and have not left.", figures.due)
        yield GaugeMetricFamily("cartctl_messages_held", "How many of them a brake holds.", figures.due_held)
        yield GaugeMetricFamily(
            "cartctl_oldest_due_age_seconds",
            "How long the oldest due message, held or not, has been due; 0 where none is.",
            figures.oldest_due_seconds,
        )
        yield from self._run()
        ages = GaugeMetricFamily(
            "cartctl_order_age_seconds",
            "Since the latest import of orders, or since the newest order if that is later.",
            labels=("store", "channel"),
        )
        for place in figures.order_feeds:
            ages.add_metric(place, figures.order_age_seconds(*place))
        yield ages

    def _messages(self) -> Iterator[Metric]:
        labels = ("sequence", "step", "delivers")
        sent = CounterMetricFamily(
            "cartctl_messages_sent",
            "Messages that a transport accepted; delivers: whether it reaches shoppers.",
            None,
            labels,
        )
        failed = CounterMetricFamily("cartctl_messages_failed", "Messages that were refused for good.", None, labels)
        unknown = GaugeMetricFamily(
            "cartctl_messages_unknown", "Messages that may or may not have been taken, not yet settled.", None, labels
        )
        for step in self._figures.by_step:
            place = (step.sequence, step.step, "true" if step.delivers else "false")
            sent.add_metric(place, step.sent)
            failed.add_metric(place, step.failed)
            unknown.add_metric(place, step.unknown)
        yield from (sent, failed, unknown)

    def _run(self) -> Iterator[Metric]:
        last = self._figures.last_run
        if last is None:
            return
        yield GaugeMetricFamily(
            "cartctl_last_run_timestamp_seconds", "When run-due last began.", last.started_at.timestamp()
        )
        yield GaugeMetricFamily(
            "cartctl_last_run_success", "1: it ended with exit code 0; 0: with another.", float(self._success)
        )
        if last.seconds is not None:
            yield GaugeMetricFamily("cartctl_last_run_duration_seconds", "How long it took.", last.seconds)
