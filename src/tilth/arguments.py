"""What the command line takes: each verb and its options. Nothing heavy is imported for --help."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["parser"]

Verb = Callable[[str, str], argparse.ArgumentParser]
"""Adds a verb by its name and what it does."""


def parser() -> argparse.ArgumentParser:
    """All verbs and their options, those of every day first."""
    top = argparse.ArgumentParser(
        prog="tilth",
        usage="tilth [-h] [--version] VERB ...",
        description="Pull requests for training data: find what is wrong, change it, measure what it did.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version())
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--json", action="store_true", help="print one JSON value instead of tables")
    shared = argparse.ArgumentParser(add_help=False)
    where = "project folder (default: the one you are in, else the only one in this folder)"
    shared.add_argument("--project", type=Path, metavar="DIR", help=where)
    # the list of verbs in the epilog has headings, which argparse cannot give
    verbs = top.add_subparsers(
        dest="verb", metavar="VERB", required=True, prog="tilth", help=argparse.SUPPRESS
    )
    groups: dict[str, list[tuple[str, str]]] = {}

    def group(title: str, *, project: bool = True) -> Verb:
        listed = groups.setdefault(title, [])

        def verb(name: str, help: str) -> argparse.ArgumentParser:
            listed.append((name, help))
            return verbs.add_parser(name, description=help, parents=[shared, every] if project else [every])

        return verb

    _everyday_verbs(group("every day"))
    _patch_verbs(group("patches"))
    _review_verbs(group("people who review and label"))
    _annotator_verbs(group("people who review and label"))
    _slice_verbs(group("a closer look"))
    _monitor_verbs(group("in service"), group("in service", project=False))
    _version_verbs(group("versions"))
    _release_verbs(group("releases"), group("releases", project=False))
    _serving_verbs(group("releases"), group("releases", project=False))
    _card_verbs(group("releases"), group("releases", project=False))
    verb = group("Tilth itself", project=False)
    p = verb("plugins", "detectors and recipes that there are, and where they come from")
    p.add_argument("--check", action="store_true", help="put each through the battery of its kind")
    p = verb("example", "write the example tickets into a folder")
    p.add_argument("folder", type=Path, help="it is made where there is none")
    top.epilog = _overview(groups)
    return top


def _overview(groups: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The verbs by group, in lines as wide as the terminal."""
    width = max(60, shutil.get_terminal_size().columns - 2)
    lines = []
    for title, verbs in groups.items():
        lines.append(f"{title}:")
        for name, words in verbs:
            first, *rest = textwrap.wrap(words, width - 14)
            lines += [f"  {name:<12}{first}", *(" " * 14 + line for line in rest)]
        lines.append("")
    return "\n".join([*lines, "Start with: tilth improve FILE --label COLUMN", "Options: tilth VERB --help"])


def _everyday_verbs(verb: Verb) -> None:
    """Take data in, see what is wrong, what to do next, what came of it."""
    p = verb("improve", "ingest, audit, propose, try, and accept what is measured to be better")
    p.add_argument("file", nargs="?", help="data to take in; none: work on what is in the project")
    _ingest_options(p)
    p = verb("ingest", "take a file of rows into the project")
    p.add_argument("file", help="CSV, TSV, JSON Lines, JSON, Parquet or Arrow; or feedback")
    p.add_argument("state", nargs="?", type=Path, help="with feedback: as tilth feedback STATE")
    _ingest_options(p)
    verb("status", "where the project stands")
    p = verb("audit", "find wrong labels, conflicts, copies, leaks, outliers, starved classes, broken rows")
    p.add_argument("--code", metavar="TILnnn", help="only findings of this code")
    p.add_argument("--limit", type=_count, default=20, metavar="N", help="findings to show (default 20)")
    no_test = "leave out what the audit finds of faults planted in a copy of the rows"
    p.add_argument("--no-self-test", action="store_false", dest="self_test", help=no_test)
    p = verb("plan", "what to do next, by expected gain per minute of a person's time")
    p.add_argument("--out", type=Path, metavar="FILE", help="write the rows to review next: .csv or .jsonl")
    verb("ledger", "predicted against realised gains; minutes and money in, measured gain out")
    p = verb("report", "write the HTML report of the last run")
    p.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in the project folder")


def _version_verbs(verb: Verb) -> None:
    """Verbs about versions of a data set."""
    p = verb("log", "versions of a data set")
    p.add_argument("dataset", nargs="?", default="train", help="train (default) or eval")
    p.add_argument("--scores", action="store_true", help="with each patch and what its trial measured")
    p = verb("diff", "what differs between two versions")
    p.add_argument("a", help="version: id, train@3, train~1 or train")
    p.add_argument("b", help="version to compare it with")
    p.add_argument("--start", type=_count, default=0, metavar="N", help="leave the first N changes out")
    p.add_argument("--limit", type=_count, default=20, metavar="N", help="changes to show (default 20)")
    p = verb("restore", "bring the rows of an earlier version back: undo the patches since")
    p.add_argument("version", help="id, train@3, train~1 or eval@1")
    p.add_argument("--preview", action="store_true", help="only say what it would do")
    p.add_argument("--author", default="person", metavar="NAME", help="who decides; recorded")
    p = verb("checkout", "write the rows of a version to a file")
    p.add_argument("version", help="id, train@3, train~1 or train")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help=".csv .tsv .jsonl .parquet")


def _release_verbs(verb: Verb, free: Verb) -> None:
    """Verbs about releases; `free` are those that concern no project."""
    p = verb("release", "fit on the head, calibrate, choose when to abstain, write a bundle that others run")
    p.add_argument("--out", type=Path, metavar="DIR", help="default: releases/NAME in the project folder")
    p.add_argument("--precision", type=_share, metavar="P", help="share of answers to be right (0.95)")
    p.add_argument("--name", metavar="NAME", help="of the release (default: that of the project)")
    p.add_argument("--force", default="", metavar="REASON", help="against failed gates; kept in the card")
    p = free("predict", "answer every row of a file with a release, or say why not")
    p.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a release, or a .zip of it")
    p.add_argument("file", metavar="FILE", help="CSV, TSV, JSON Lines, JSON, Parquet or Arrow")
    p.add_argument("--out", type=Path, metavar="FILE", help=".csv .tsv .jsonl .parquet (default: output)")
    p.add_argument("--text", metavar="COL", help="column to read (default: that of the release)")
    p.add_argument(
        "--sets", type=_share, metavar="A", help="also sets of classes that miss at most this share"
    )
    _text_file(p)
    p.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be read")


def _card_verbs(verb: Verb, free: Verb) -> None:
    """Verbs about what a release says of itself."""
    p = verb("datasheet", "what is known about the data, who answered it, and what only a person can say")
    p.add_argument("--form", type=Path, metavar="FILE", help="write the questions for a person, to fill in")
    p.add_argument("--answer", type=Path, metavar="FILE", help="remember the answers in such a file")
    p.add_argument("--set", type=_setting, action="append", metavar="KEY=TEXT", help="remember one answer")
    p.add_argument("--author", default="person", metavar="NAME", help="who answers; recorded")
    p.add_argument("--markdown", action="store_true", help="print the datasheet itself")
    p = free("verify", "compute again what a release claims, and say what could not be computed again")
    p.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a release, or a .zip of it")
    p.add_argument("--project", type=Path, metavar="DIR", help="project that it was made of")
    p.add_argument("--eval", type=Path, metavar="FILE", help="evaluation rows, where there is no project")
    p.add_argument("--id", default="", metavar="ID", help="id that was published for it")


def _setting(text: str) -> tuple[str, str]:
    """KEY=TEXT."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=TEXT")
    return key.strip(), value


def _review_verbs(verb: Verb) -> None:
    """Verbs about the verdicts of people."""
    p = verb("sample", "draw rows for a person to review, with known inclusion probabilities")
    p.add_argument("--n", type=_count, default=60, metavar="N", help="rows to draw (default 60)")
    p.add_argument("--out", type=Path, metavar="FILE", help="file to fill in: .csv or .jsonl")
    p.add_argument("--seed", type=_count, metavar="N", help="of the draw (default: each has its own)")
    p = verb("verdict", "take verdicts in; say how many wrong labels are left and what P(wrong) stands for")
    p.add_argument(
        "file", nargs="?", help="CSV or JSON Lines with id, verdict, label; none: say where it stands"
    )
    p.add_argument("--reviewer", default="person", metavar="NAME", help="who decided; recorded")
    _set_options(p)
    p = verb("sets", "kept sets of rows; keep a list of rows or a filter under a name")
    p.add_argument("--where", default="", metavar="FILTER", help="keep the rows that fit, whenever looked up")
    p.add_argument("--ids", type=Path, metavar="FILE", help="keep these rows: one id a line")
    p.add_argument("--name", default="", metavar="NAME", help="what the set is called")
    p = verb("reviewers", "who reviews, how fast and how far they agree; rows in hand, disagreements")
    what = p.add_mutually_exclusive_group()
    hand = "hand the N most useful rows to --reviewer, and to nobody else for --hours"
    what.add_argument("--lease", type=_count, metavar="N", help=hand)
    what.add_argument("--give-back", action="store_true", help="take back what --lease handed to --reviewer")
    what.add_argument("--disagreements", action="store_true", help="rows on which people differ")
    p.add_argument("--reviewer", default="", metavar="NAME", help="whose hands")
    p.add_argument("--hours", type=float, metavar="H", help="how long rows are held (default 24)")
    p.add_argument("--out", type=Path, metavar="FILE", help="write these rows to fill in: .csv or .jsonl")
    p = verb("review", "open the page on which a person decides row by row and judges patches")
    p.add_argument("--port", type=_count, default=0, metavar="N", help="default: the project's own")
    p.add_argument("--no-browser", action="store_false", dest="browser", help="only print the address")
    _team_options(p)
    p = verb("relabel", "propose a patch of what reviewers decided, or of rows at a false-discovery rate")
    p.add_argument(
        "--fdr",
        type=_share,
        metavar="Q",
        help="more rows, of whose new labels at most this share is wrong, e.g. 0.05",
    )
    p.add_argument("--revises", default="", metavar="PATCH", help="only rows of this proposed patch")


def _team_options(p: argparse.ArgumentParser) -> None:
    """The page for others than the person who starts it."""
    p.add_argument("--host", default="127.0.0.1", metavar="ADDR", help="listen there (default: 127.0.0.1)")
    name = "name under which others reach it; again for more"
    p.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=name)
    p.add_argument("--password-file", type=Path, metavar="FILE", help="people who log in with a password")
    p.add_argument("--add-person", metavar="NAME", help="write a person into the password file, and end")
    p.add_argument(
        "--proxy-header", default="", metavar="NAME", help="header in which a proxy says who it is"
    )
    proxy = "address of that proxy; again for more"
    p.add_argument("--proxy-from", action="append", default=[], metavar="ADDR", help=proxy)


def _set_options(p: argparse.ArgumentParser) -> None:
    """One decision for a whole set."""
    p.add_argument(
        "--where", default="", metavar="FILTER", help="look at a set of rows, e.g. 'p_wrong > 0.9'"
    )
    p.add_argument("--set", default="", metavar="SET", help="the rows of a kept set")
    kinds = ("keep", "relabel", "ambiguous", "drop")
    p.add_argument(
        "--decide", choices=kinds, help="one decision for all rows of the set; a preview without --yes"
    )
    p.add_argument("--label", metavar="CLASS", help="the right label, for relabel")
    p.add_argument("--note", default="", metavar="TEXT", help="a remark, recorded with each verdict")
    p.add_argument("--again", action="store_true", help="also rows that have a verdict")
    p.add_argument("--yes", action="store_true", help="take the decision")
    p.add_argument("--undo", metavar="KEY", help="undo a decision on a set as one")


def _share(text: str) -> float:
    """A number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def _annotator_verbs(verb: Verb) -> None:
    """Verbs about people who label."""
    p = verb("annotators", "take judgements of several annotators in; agreement, quality, consensus")
    p.add_argument("file", nargs="?", help="one row a judgement; none: those that were taken in")
    p.add_argument("--item", metavar="COL", help="column with the id of the judged row (default: guessed)")
    p.add_argument("--annotator", metavar="COL", help="column with who judged (default: guessed)")
    p.add_argument("--label", metavar="COL", help="column with what was said (default: guessed)")
    p.add_argument("--text", metavar="COL", help="column with the text (default: guessed)")
    _text_file(p)
    p.add_argument("--skip-bad", action="store_true", help="leave judgements that cannot be read out")
    p.add_argument("--propose", action="store_true", help="propose judged items that are no rows yet")
    p.add_argument(
        "--out", type=Path, metavar="FILE", help="write the consensus of all items: .csv or .jsonl"
    )
    p.add_argument("--limit", type=_count, default=10, metavar="N", help="lines of each table (default 10)")
    p = verb("guide", "the label guide: what each class means, and what to do between two of them")
    what = p.add_mutually_exclusive_group()
    drafts = "draft clauses for the N most confused pairs of classes (default 5) into guide.md"
    what.add_argument("--draft", nargs="?", type=_count, const=5, metavar="N", help=drafts)
    what.add_argument("--save", action="store_true", help="keep guide.md as a new version; findings cite it")
    what.add_argument("--history", action="store_true", help="versions, with author and time")
    between = "what changed between two versions (default: the newest) and guide.md"
    what.add_argument("--diff", nargs="*", type=_count, metavar="VERSION", help=between)
    p.add_argument("--between", nargs=2, metavar="CLASS", help="with --draft: a clause for these two alone")
    p.add_argument("--from", type=Path, dest="file", metavar="FILE", help="this text instead of guide.md")
    p.add_argument(
        "--base", default="", metavar="BASE", help="with --save: refuse if the guide changed since"
    )
    p.add_argument("--author", default="person", metavar="NAME", help="who saves; recorded")
    p.add_argument("--note", default="", metavar="TEXT", help="why; recorded with --save")


def _slice_verbs(verb: Verb) -> None:
    """Verbs about parts of the data, copies, and what more rows would bring."""
    p = verb("slices", "where the model is weak: named and discovered slices, classes, floors")
    p.add_argument("--keep", metavar="NAME", help="write this discovered slice into tilth.toml")
    p.add_argument("--where", metavar="EXPR", help="with --keep: not a discovered slice, but these rows")
    p.add_argument("--like", metavar="SET", help="expressions that come near to the rows of a kept set")
    p.add_argument("--floor", type=_share, metavar="SCORE", help="with --keep: its least score, e.g. 0.8")
    p.add_argument("--limit", type=_count, default=20, metavar="N", help="weak classes to show (default 20)")
    p = verb("confusions", "pairs of classes that are taken for each other more than others")
    p.add_argument("--limit", type=_count, default=10, metavar="N", help="pairs to show (default 10)")
    p = verb("duplicates", "groups of copies in train and the evaluation set, at any threshold")
    p.add_argument("--threshold", type=float, metavar="T", help="least similarity (default: tilth.toml)")
    p.add_argument("--keep", metavar="ROW", help="propose to keep this row and drop its copies in train")
    p.add_argument("--label", metavar="CLASS", help="with --keep: its label; needed where copies differ")
    p.add_argument("--author", default="person", metavar="NAME", help="with --keep: who says so; recorded")
    p.add_argument("--limit", type=_count, default=20, metavar="N", help="groups to show (default 20)")
    p = verb("map", "the rows in the plane, near where the model sees them alike")
    p.add_argument(
        "--out", type=Path, metavar="FILE", help=".csv .tsv .jsonl .parquet, or a .svg .png picture"
    )
    colours = ["label", "agree", "wrong"]
    p.add_argument("--colour", choices=colours, default="label", help="of the picture (default label)")
    p = verb("curve", "what more rows would bring: learning curves, where to collect, review or add")
    p.add_argument("--class", dest="of_class", metavar="NAME", help="only this class")
    p.add_argument("--add", type=_count, metavar="N", help="also what N more rows like these would bring")
    p.add_argument("--worth", type=_share, metavar="GAIN", help="least gain worth it (default: tilth.toml)")
    p.add_argument("--limit", type=_count, default=10, metavar="N", help="classes to show (default 10)")
    p.add_argument("--out", type=Path, metavar="FILE", help="also write an HTML page")


def _monitor_verbs(verb: Verb, free: Verb) -> None:
    """Verbs about what comes in while a model serves; `free` are those that concern no project."""
    p = verb("drift", "whether new rows are like the known ones, what changed, which rows to label")
    p.add_argument("file", help="new rows (CSV, JSON Lines, Parquet ...), or the state of tilth serve")
    against = "rows to compare with (default: those that the project was made with)"
    p.add_argument("--reference", metavar="FILE", help=against)
    p.add_argument("--out", type=Path, metavar="FILE", help="write the rows to label: .csv or .jsonl")
    p.add_argument("--keep", metavar="NAME", help="write what drifted into tilth.toml as a slice")
    p.add_argument("--level", type=_share, default=0.05, metavar="P", help="false alarms (default 0.05)")
    p.add_argument("--limit", type=_count, default=8, metavar="N", help="columns to show (default 8)")
    state = "where tilth serve keeps its state (default: tilth.toml, else beside the releases)"
    p = verb("monitor", "what happened in service: traffic, abstention, feedback, tests of releases, drift")
    p.add_argument("--state", type=Path, metavar="DIR", help=state)
    p = verb("escalations", "answers that a person is asked for; answer one")
    p.add_argument("--state", type=Path, metavar="DIR", help=state)
    p.add_argument("--answer", metavar="ID", help="answer this question, with --label and --person")
    p.add_argument("--label", metavar="LABEL", help="with --answer: the right label")
    p.add_argument("--person", default="person", metavar="NAME", help="with --answer: who says so; recorded")
    p.add_argument("--limit", type=_count, default=10, metavar="N", help="questions to show (default 10)")
    p = free("fleet", "many projects in one folder: which are broken, drifted, waiting or stale")
    p.add_argument("folder", nargs="?", default=".", metavar="DIR", help="default: this folder")
    every = "for each project: patches of new feedback, drift of its traffic, audit of a new head"
    p.add_argument("--pass", action="store_true", dest="nightly", help=every)
    p.add_argument("--limit", type=_count, default=40, metavar="N", help="projects to show (default 40)")


def _patch_verbs(verb: Verb) -> None:
    """Verbs about patches."""
    which = "id of a patch, or its first 4 or more characters"
    states = ["proposed", "accepted", "rejected", "reverted", "stale", "superseded"]
    verb("propose", "make a handful of patches out of the findings")
    p = verb("patches", "list patches")
    p.add_argument("--state", choices=states, help="only those in this state")
    p = verb("patch", "show a patch, or write it to a file that can be edited")
    p.add_argument("patch", help=which)
    p.add_argument("--out", type=Path, metavar="FILE", help="patch file to write")
    part = p.add_mutually_exclusive_group()
    part.add_argument("--only", nargs="+", metavar="ROW", help="a new patch of the changes of these rows")
    part.add_argument("--without", nargs="+", metavar="ROW", help="a new patch of the changes of all others")
    p.add_argument("--author", default="person", metavar="NAME", help="who makes the new patch; recorded")
    p = verb("comment", "what people say about a patch; with TEXT: say something")
    p.add_argument("patch", help=which)
    p.add_argument("text", nargs="?", metavar="TEXT", help="kept with author and time")
    p.add_argument("--author", default="person", metavar="NAME", help="who says it; recorded")
    p = verb("trial", "measure a patch: the same recipe with and without it")
    _patch_or_file(p, which)
    p.add_argument("--markdown", action="store_true", help="print the table for a git pull request")
    p = verb("accept", "make a patch part of the data set")
    _patch_or_file(p, which)
    p.add_argument("--force", default="", metavar="REASON", help="accept against the evidence; recorded")
    p.add_argument("--reason", default="", metavar="TEXT", help="why; needed for the evaluation set")
    p.add_argument("--author", default="person", metavar="NAME", help="who decides; recorded")
    p = verb("reject", "put a patch aside")
    p.add_argument("patch", help=which)
    p.add_argument("--reason", required=True, metavar="TEXT", help="recorded")
    p.add_argument("--author", default="person", metavar="NAME", help="who decides; recorded")
    p = verb("revert", "undo an accepted patch by its inverse")
    p.add_argument("patch", help=which)
    p.add_argument("--author", default="person", metavar="NAME", help="who decides; recorded")
    p = verb("rebase", "make a patch again on the present head")
    p.add_argument("patch", help=which)


def _patch_or_file(p: argparse.ArgumentParser, which: str) -> None:
    either = p.add_mutually_exclusive_group(required=True)
    either.add_argument("patch", nargs="?", metavar="PATCH", help=which)
    either.add_argument("--patch", dest="patch_file", type=Path, metavar="FILE", help="a patch file")


def _serving_verbs(mine: Verb, verb: Verb) -> None:
    """Verbs about servers; `mine` is about a project."""
    p = mine("feedback", "propose patches of what people said about served answers")
    p.add_argument("state", type=Path, metavar="STATE", help="folder of a server's state")
    folder = "what the server remembers (default: serve-state beside the first bundle)"
    bundle = "folder of a release, or a .zip of it"
    shares = "share of the keys for each bundle, e.g. 0.9,0.1 (default: equal)"
    shadow = "also ask this one, and show nobody what it says; may be repeated"
    p = verb("serve", "answer over HTTP with one release or several; take feedback")
    p.add_argument("bundle", nargs="+", type=Path, metavar="BUNDLE", help=bundle)
    p.add_argument("--shares", type=_shares, metavar="A,B", help=shares)
    p.add_argument("--shadow", action="append", default=[], type=Path, metavar="BUNDLE", help=shadow)
    p.add_argument("--state", type=Path, metavar="DIR", help=folder)
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    p.add_argument("--port", type=_count, default=8500, metavar="N", help="default 8500; 0: a free one")
    tokens = "a client and its token a line; needed where others can reach the host"
    p.add_argument("--tokens", type=Path, metavar="FILE", help=tokens)
    p.add_argument("--escalate", action="store_true", help="ask a person where no answer is given")
    p.add_argument("--keep-rows", action="store_true", help="remember the text of every answer")
    p.add_argument(
        "--keep-days", type=_count, default=90, metavar="N", help="of answers (default 90; 0: all)"
    )
    p.add_argument("--log-rows", action="store_true", help="write texts into the access log")
    p.add_argument("--no-log", action="store_false", dest="access_log", help="write no access log")
    p.add_argument(
        "--queue", type=_positive, default=512, metavar="N", help="requests that may wait (default 512)"
    )
    p.add_argument(
        "--timeout", type=float, default=10.0, metavar="S", help="seconds a request may wait (default 10)"
    )
    most = "bytes of a request (default 8000000)"
    p.add_argument("--max-body", type=_positive, default=8_000_000, metavar="N", help=most)
    p.add_argument("--fresh", action="store_true", help="forget what was swapped in before")
    p = verb("swap", "change what a running server serves, or go back, without losing a request")
    p.add_argument("bundle", nargs="*", type=Path, metavar="BUNDLE", help=bundle)
    p.add_argument("--back", action="store_true", help="serve what was served before")
    p.add_argument("--shares", type=_shares, metavar="A,B", help=shares)
    p.add_argument("--shadow", action="append", default=[], type=Path, metavar="BUNDLE", help=shadow)
    p.add_argument("--state", type=Path, metavar="DIR", help=folder)


def _shares(text: str) -> list[float]:
    """Numbers of 0 or more, separated by commas."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 0 or not 0 < sum(found) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of shares such as 0.9,0.1")
    return found


def _positive(text: str) -> int:
    """A whole number of 1 or more."""
    value = _count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return value


def _count(text: str) -> int:
    """A whole number from 0 up."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def _text_file(p: argparse.ArgumentParser) -> None:
    """How a text file is to be read."""
    p.add_argument("--encoding", metavar="NAME", help="of a text file, e.g. cp1252 (default: UTF-8)")
    p.add_argument(
        "--delimiter", metavar="CHAR", help="of a CSV file: one character, or tab (default: guessed)"
    )


def _ingest_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--label", metavar="COL", help="label column (default: guessed)")
    p.add_argument("--text", metavar="COL", help="text column (default: guessed)")
    p.add_argument("--id", metavar="COL", help="id column (default: guessed; none: from the content)")
    p.add_argument("--eval", metavar="FILE", help="evaluation rows (default: a share is set apart)")
    _text_file(p)
    p.add_argument("--skip-bad", action="store_true", help="set rows that cannot be read aside")
    p.add_argument("--allow-unlabelled", action="store_true", help="take rows without a label in")
    p.add_argument(
        "--recipe", metavar="NAME", help="text-linear.v1 (default), text-embed.v1 or one of tilth plugins"
    )
    p.add_argument("--encoder", metavar="DIR", help="sentence encoder for text-embed.v1")


def _version() -> str:
    from tilth import __version__

    return f"tilth {__version__}"
