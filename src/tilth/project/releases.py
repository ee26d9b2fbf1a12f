"""Releases: from the head to a model that others run, and what they say of it back to rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.feedback import FeedbackIntake
    from tilth.release.known import Known
    from tilth.release.released import Released
    from tilth.release.verify import Verification

__all__ = ["ReleaseVerbs"]


class ReleaseVerbs(Opened):
    """Releases: from the head to a model that others run, and what they say of it back to rows."""

    def release(
        self,
        out: str | Path | None = None,
        *,
        precision: float | None = None,
        name: str | None = None,
        force: str = "",
    ) -> Released:
        """Fit the recipe on the head, calibrate, choose when to abstain, and write a bundle.

        Parameters
        ----------
        out : folder of the bundle; default releases/NAME in the project folder.
        precision : share of the answers that shall be right; default that of tilth.toml, 0.95.
        name : of the release; default that of the project.
        force : a reason, kept in the card, to release against gates that fail.

        Raises
        ------
        Refused : there is nothing to learn from, the recipe cannot be released, or a gate fails.
        """
        from tilth.release.build import build

        place = None if out is None else Path(out)
        return build(
            self.workspace, out=place, precision=precision, name=name, force=force, progress=self.progress
        )

    def datasheet(self) -> Known:
        """What is known about the data: each question of a datasheet, who answered it, and what is open."""
        from tilth.release.known import known

        return known(self.workspace)

    def answer(
        self, file: str | Path | None = None, said: Mapping[str, str] | None = None, *, author: str = "person"
    ) -> list[str]:
        """Remember what only a person can say; returns the keys of what changed.

        Parameters
        ----------
        file : a form that `datasheet_form` wrote, filled in; an answer that is empty there changes nothing.
        said : key of a question to its answer; an empty one takes an earlier one back.
        author : who answers; recorded.

        Raises
        ------
        InputError : no such question, or a file that cannot be read.
        """
        from tilth.release import answers
        from tilth.release.questions import keys

        filled = {} if file is None else {k: v for k, v in answers.read(Path(file)).items() if v.strip()}
        return answers.remember(self.workspace, {**filled, **(said or {})}, keys(), author)

    def datasheet_form(self, path: str | Path) -> Path:
        """Write the questions that only a person can answer, with the answers so far, as a TOML file."""
        from tilth.release.known import write_form

        return write_form(self.workspace, Path(path))

    def verify(self, bundle: str | Path, *, id: str = "") -> Verification:
        """Compute again what a release of this project claims.

        Parameters
        ----------
        bundle : folder or .zip.
        id : the id that was published; compared with that of the bundle.
        """
        from tilth.release.verify import verify

        return verify(bundle, project=self.folder, id=id)

    def feedback(self, state: str | Path) -> FeedbackIntake:
        """Propose patches of what people said about served answers.

        Explicit words and what a person answered where the release had abstained become ops; each names the
        answers and clients that it comes from. Nothing is accepted. A client that relabels one class far more
        often than the others do gets a patch of its own.

        Parameters
        ----------
        state : folder of a server's state.

        Raises
        ------
        NotFound : there is no server's state in the folder.
        """
        from tilth.feedback import take_feedback

        return take_feedback(self.workspace, state)
