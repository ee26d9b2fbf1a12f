"""Actions on slices, confusions and learning curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilth.errors import InputError, NotFound
from tilth.learning import known
from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["ExploreActions"]


@dataclass
class Keep:
    """A discovered slice to keep, and its floor, a score of the goal's metric."""

    name: str
    floor: float | None = None


class ExploreActions:
    """Where the model is weak, and what more rows would bring.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project

    def slices(self) -> Any:
        """Named and discovered slices, and classes: `tilth slices`."""
        with self.desk.alone:
            return self.project.slices().to_json()

    def keep(self, body: Keep) -> Any:
        """Write a discovered slice, and its floor, into tilth.toml: `tilth slices --keep`."""
        if body.floor is not None and not 0 < body.floor < 1:
            raise InputError(f"floor is {body.floor:g}; give a score between 0 and 1, such as 0.8")
        with self.desk.alone:
            return self.project.keep_slice(body.name, floor=body.floor).to_json()

    def confusions(self) -> Any:
        """Confused pairs of classes, and the matrix: `tilth confusions`."""
        with self.desk.alone:
            return self.project.confusions().to_json()

    def curve(self) -> Any:
        """The learning curve, where it was measured: `tilth curve`."""
        found = known(self.project.workspace)
        if found is None:
            raise NotFound("the learning curve of the present rows was not measured; POST here to measure it")
        return found.to_json()

    def measure(self) -> Any:
        """Measure the learning curve, in a process of its own: `tilth curve`."""
        return self.desk.jobs.begin("curve", ["curve"])

    def measuring(self) -> Any:
        """How far the measurement is."""
        return self.desk.jobs.state("curve")

    def cancel(self) -> Any:
        """End the measurement; Ctrl-C in a terminal."""
        return self.desk.jobs.cancel("curve")

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/slices", self.slices), ("POST", "/slices/keep", self.keep),
            ("GET", "/confusions", self.confusions), ("GET", "/curve", self.curve),
            ("POST", "/curve", self.measure), ("GET", "/curve/job", self.measuring),
            ("POST", "/curve/cancel", self.cancel),
        ]  # fmt: skip
