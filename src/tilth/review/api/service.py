"""Actions on a model in service: what happened, questions to a person, what was said as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["ServiceActions"]


@dataclass
class Given:
    """A person's answer to a question."""

    id: str
    label: str
    person: str


class ServiceActions:
    """Traffic, tests of releases, drift, questions.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.project = desk.project

    def monitor(self) -> Any:
        """What happened in service: `tilth monitor`."""
        return self.project.monitor().to_json()

    def questions(self) -> Any:
        """Answers that a person is asked for, oldest first: `tilth escalations`."""
        return self.project.escalations().to_json()

    def answer(self, body: Given) -> Any:
        """Answer a question; on disk before this answers: `tilth escalations --answer`."""
        return self.project.answer_question(body.id, body.label, person=body.person).to_json()

    def propose(self) -> Any:
        """Propose patches of what people said and answered: `tilth feedback`."""
        return self.project.feedback(self.project.monitor().state).to_json()

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/monitor", self.monitor), ("GET", "/questions", self.questions),
            ("POST", "/questions/answer", self.answer), ("POST", "/feedback", self.propose),
        ]  # fmt: skip
