"""TIL401: a class with too few rows to say anything."""

from __future__ import annotations

import numpy as np

from tilth.audit.base import Finding, View
from tilth.stats import wilson

__all__ = ["StarvedClass"]


class StarvedClass:
    """Classes that the model can hardly learn and nobody can measure."""

    code = "TIL401"
    name = "starved class"

    def __init__(self, least: int = 20, width: float = 0.5) -> None:
        if least < 1 or not 0 < width <= 1:
            raise ValueError("least is at least 1 and width is in (0, 1]")
        self.least = least
        self.width = width

    def find(self, view: View) -> list[Finding]:
        """One finding a class that is small or whose recall has a very wide interval."""
        s = view.signals
        predicted = s.probabilities.argmax(axis=1) if len(s.labels) else np.empty(0, int)
        out = []
        for number, name in enumerate(s.classes):
            members = np.flatnonzero(s.labels == number)
            if len(members) == 0:
                continue
            recall = wilson(float((predicted[members] == number).sum()), len(members))
            if len(members) >= self.least and recall.high - recall.low <= self.width:
                continue
            out.append(
                Finding(
                    code=self.code,
                    rows=tuple(view.train.ids[i] for i in members[:50]),
                    score=1.0 / len(members),
                    message=f"class {name} has {len(members)} rows; its out-of-sample recall is "
                    f"somewhere in [{recall.low:.0%}, {recall.high:.0%}]: collect more",
                    evidence={
                        "class": name,
                        "rows": len(members),
                        "recall": round(recall.value, 4),
                        "recall_low": round(recall.low, 4),
                        "recall_high": round(recall.high, 4),
                    },
                )
            )
        return sorted(out, key=lambda f: -f.score)
