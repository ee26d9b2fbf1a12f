"""Counters of a server in the text format that Prometheus reads."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence

__all__ = ["Histogram", "Labels", "Metrics"]

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
HELP = {
    "requests_total": "requests by path and status",
    "request_seconds": "seconds from the first byte of a request to its answer",
    "rows_total": "rows answered, by arm",
    "abstained_total": "rows without a label, by arm and reason",
    "refused_total": "requests turned away, by reason",
    "batch_rows": "rows that the model was given at once",
    "model_seconds": "seconds of one call of the model",
    "feedback_total": "feedback taken in, by kind, and whether it was explicit or known already",
    "dropped_total": "rows that a shadow was not asked about, because there was no time",
    "commit_seconds": "seconds of one commit of the state",
    "swaps_total": "changes of what is served, by result",
}
Labels = tuple[tuple[str, str], ...]
"""Names and values."""


class Histogram:
    """Counts of values up to each edge."""

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges, self.counts, self.total = tuple(edges), [0] * (len(edges) + 1), 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value


class Metrics:
    """Everything that is counted since the start."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[Labels, float]] = {name: {} for name in HELP if name.endswith("_total")}
        self.histograms: dict[str, dict[Labels, Histogram]] = {
            name: {} for name in HELP if not name.endswith("_total")
        }

    def count(self, name: str, *labels: tuple[str, str], by: float = 1) -> None:
        """Add to a counter."""
        counter = self.counters[name]
        counter[labels] = counter.get(labels, 0) + by

    def observe(self, name: str, value: float, *labels: tuple[str, str]) -> None:
        """Add a value to a histogram."""
        group = self.histograms[name]
        found = group.get(labels)
        if found is None:
            found = group[labels] = Histogram(SIZES if name.endswith("_rows") else SECONDS)
        found.add(value)

    def text(self, gauges: Mapping[str, Mapping[Labels, float]]) -> str:
        """The text format, version 0.0.4.

        Parameters
        ----------
        gauges : what is measured now: name to labels to value.
        """
        lines = []
        for name, values in self.counters.items():
            lines += [f"# HELP tilth_{name} {HELP[name]}", f"# TYPE tilth_{name} counter"]
            lines += [
                f"tilth_{name}{_labels(labels)} {value:.15g}" for labels, value in sorted(values.items())
            ]
        for name, groups in self.histograms.items():
            lines += [f"# HELP tilth_{name} {HELP[name]}", f"# TYPE tilth_{name} histogram"]
            for labels, found in sorted(groups.items()):
                below = 0
                for edge, n in zip((*found.edges, float("inf")), found.counts, strict=True):
                    below += n
                    le = "+Inf" if edge == float("inf") else f"{edge:g}"
                    lines.append(f"tilth_{name}_bucket{_labels((*labels, ('le', le)))} {below}")
                lines.append(f"tilth_{name}_sum{_labels(labels)} {found.total:.9g}")
                lines.append(f"tilth_{name}_count{_labels(labels)} {below}")
        for name, given in {**gauges, **_process()}.items():
            full = name if name.startswith("process_") else f"tilth_{name}"
            kind = "counter" if name.endswith("_total") else "gauge"
            lines.append(f"# TYPE {full} {kind}")
            lines += [f"{full}{_labels(labels)} {value:.15g}" for labels, value in sorted(given.items())]
        return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels)
    return "{" + inside + "}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process() -> dict[str, dict[Labels, float]]:
    """CPU seconds and, where the system tells, resident memory of this process."""
    found: dict[str, dict[Labels, float]] = {"process_cpu_seconds_total": {(): time.process_time()}}
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        found["process_resident_memory_bytes"] = {(): float(pages * os.sysconf("SC_PAGE_SIZE"))}
    except (OSError, ValueError, IndexError):
        pass
    return found
