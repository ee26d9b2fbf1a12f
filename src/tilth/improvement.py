"""Improvement: what `improve` did, for a program and for a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["Improvement"]


@dataclass(frozen=True)
class Improvement:
    """What `improve` did; `body` is the JSON object that the report shows."""

    body: dict[str, Any]

    @property
    def gain(self) -> float | None:
        """Change of the metric on evaluation rows that decided nothing; None without such rows."""
        gain = self.body["gain"]
        return None if gain is None else float(gain["value"])

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """The patches that were accepted."""
        return [p for p in self.body["patches"] if p["state"] == "accepted"]

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return self.body

    def to_pandas(self) -> pandas.DataFrame:
        """One line a patch that was tried."""
        from tilth.frames import frame

        keep = ("id", "title", "state", "verdict", "gain", "low", "high", "predicted", "minutes")
        return frame([{k: p[k] for k in keep} for p in self.body["patches"]])

    def _repr_html_(self) -> str:
        import html

        from tilth.report.html import render

        page = html.escape(render(self.body), quote=True)
        return f'<iframe sandbox srcdoc="{page}" width="100%" height="600"></iframe>'
