"""People who review and label: verdicts, annotators, the label guide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth.files import read_text
from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.annotators import Annotators
    from tilth.guide import Clause
    from tilth.reviews import Batch, Relabelling, Verdicts
    from tilth.store import PatchInfo
    from tilth.verdicts import Said

__all__ = ["PeopleVerbs"]


class PeopleVerbs(Opened):
    """People who review and label: verdicts, annotators, the label guide."""

    def sample(self, n: int = 60, *, out: str | Path | None = None, seed: int | None = None) -> Batch:
        """Draw rows for review with known inclusion probabilities, partly by suspicion.

        Parameters
        ----------
        n : how many rows; those that have a verdict are not drawn again.
        out : a .csv or .jsonl file to fill in and to give to `verdict`.
        seed : of the draw; by default each draw has its own.

        Raises
        ------
        Refused : every row has a verdict.
        """
        from tilth.reviews import draw

        return draw(self.workspace, n, seed=seed, out=None if out is None else Path(out))

    def verdict(self, verdicts: str | Path | Sequence[Said] = (), *, reviewer: str = "person") -> Verdicts:
        """Take verdicts in and say what is believed by now; all of them or none.

        Parameters
        ----------
        verdicts : a file (CSV or JSON Lines), or the verdicts; none: only say where the review stands.
        reviewer : who decided; recorded.

        Raises
        ------
        InputError : a line that cannot be read, or an unknown label.
        NotFound : a row that is not in train.
        """
        from tilth.reviews import take_in
        from tilth.verdicts import parse

        if isinstance(verdicts, str | Path):
            verdicts = parse(read_text(Path(verdicts)), name=Path(verdicts).name)
        return take_in(self.workspace, verdicts, reviewer)

    def relabel(self, *, fdr: float | None = None, revises: str = "") -> Relabelling:
        """Propose a patch of what reviewers decided, and of more rows at a false-discovery rate.

        Parameters
        ----------
        fdr : take the largest set of rows of whose relabels at most this share is wrong; None: only
            what was decided.
        revises : a proposed patch; only its rows are looked at.
        """
        from tilth.reviews import relabel

        return relabel(self.workspace, rate=fdr, revises=revises)

    def annotators(
        self,
        data: object | None = None,
        *,
        item: str | None = None,
        annotator: str | None = None,
        label: str | None = None,
        text: str | None = None,
        out: str | Path | None = None,
        **reading: Any,
    ) -> Annotators:
        """Take judgements of several annotators in, where given; how far they agree and how good they are.

        Parameters
        ----------
        data : file, DataFrame or data set with one row for each judgement; None: those that are there.
        item, annotator, label, text : column names; guessed when not given.
        out : a .csv or .jsonl file for the consensus on every judged item.
        reading : encoding, delimiter and skip_bad, as for `ingest`.

        Raises
        ------
        BadRows : rows that cannot be used; nothing was taken in.
        NotFound : there are no judgements.
        """
        from tilth.annotators import examine, take_judgements

        names: dict[str, Any] = {"item": item, "annotator": annotator, "label": label, "text": text}
        intake = None if data is None else take_judgements(self.workspace, data, **names, **reading)
        return examine(self.workspace, intake, self.progress, out=None if out is None else Path(out))

    def propose_judged(self) -> PatchInfo | None:
        """Propose judged items that are in no data set as new rows; None where there are none."""
        from tilth.annotators import propose_rows

        patch = propose_rows(self.workspace, self.progress)
        return None if patch is None else self.workspace.store.patch_info(patch.id)

    def guide(self) -> dict[str, Any]:
        """The label guide as it stands in guide.md, and whether that is the newest version."""
        from tilth.guidebook import show

        return show(self.workspace)

    def draft_guide(self, most: int = 5, *, between: tuple[str, str] | None = None) -> list[Clause]:
        """Write drafts of clauses for the most confused pairs of classes, or for one pair, into guide.md."""
        from tilth.guidebook import draft

        return draft(self.workspace, most, self.progress, between=between)

    def try_guide(self, text: str) -> dict[str, Any]:
        """What a text would be as the label guide, and what it would change; nothing is kept."""
        from tilth.guidebook import try_text

        return try_text(self.workspace, text)

    def save_guide(
        self, *, author: str = "person", note: str = "", text: str | None = None, base: str = ""
    ) -> dict[str, Any] | None:
        """Keep guide.md as a new version, which findings cite; None when nothing changed.

        Parameters
        ----------
        text : what the guide shall be; it is written to guide.md, too.
        base : of `guide`: refuse where somebody changed the guide since.

        Raises
        ------
        HeadMoved : somebody did; nothing was written.
        """
        from tilth.guidebook import save

        return save(self.workspace, author=author, note=note, text=text, base=base)

    def guide_history(self) -> list[dict[str, Any]]:
        """Versions of the guide, oldest first."""
        from tilth.guidebook import history

        return history(self.workspace)

    def guide_diff(self, first: int | None = None, second: int | None = None) -> list[dict[str, str]]:
        """What changed between two versions of the guide; None: the newest version, and the file."""
        from tilth.guidebook import compare

        return compare(self.workspace, first, second)
