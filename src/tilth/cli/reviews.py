"""Verbs about the verdicts of people: draw rows, take verdicts in, make a patch of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _sample(options: argparse.Namespace) -> int:
    from tilth.report import reviews

    with open_project(options) as project:
        body = project.sample(options.n, out=options.out, seed=options.seed).to_json()
        body["file"] = None if options.out is None else str(options.out)
        out(options, body, reviews.sample)
    return 0


def _verdict(options: argparse.Namespace) -> int:
    from tilth.cli.sets import on_set
    from tilth.report import reviews

    if (done := on_set(options)) is not None:
        return done
    with open_project(options) as project:
        body = project.verdict(options.file or (), reviewer=options.reviewer).to_json()
        out(options, body, reviews.verdict)
    return 0


def _review(options: argparse.Namespace) -> int:
    if options.add_person is not None:
        return _add_person(options)

    def started(address: str, notes: Sequence[str]) -> None:
        words = "\n".join((f"open {address}", *notes))
        body = {"address": address, "notes": list(notes)}
        out(options, body, lambda console, b: console.print(words, soft_wrap=True, markup=False))
        sys.stdout.flush()

    with open_project(options) as project:
        project.review(
            port=options.port, browser=options.browser, host=options.host, allow_hosts=options.allow_host,
            password_file=options.password_file, proxy_header=options.proxy_header,
            proxy_from=options.proxy_from, started=started,
        )  # fmt: skip
    return 0


def _add_person(options: argparse.Namespace) -> int:
    """A line in a password file; the password is typed twice, or comes as the first line of a pipe."""
    from tilth.errors import InputError
    from tilth.review.guard.passwords import add

    if options.password_file is None:
        raise InputError("--add-person goes with --password-file FILE, where the person is written down")
    if sys.stdin.isatty():
        from getpass import getpass

        password = getpass(f"password of {options.add_person}: ")
        if getpass("once more: ") != password:
            raise InputError("the two passwords differ; nothing was written")
    else:
        password = sys.stdin.readline().rstrip("\n")
    add(options.password_file, options.add_person, password)
    words = f"{options.add_person} can log in; a server that is running knows it already"
    body = {"person": options.add_person, "file": str(options.password_file)}
    out(options, body, lambda console, b: console.print(words, soft_wrap=True, markup=False))
    return 0


def _relabel(options: argparse.Namespace) -> int:
    from tilth.report import reviews

    with open_project(options) as project:
        body = project.relabel(fdr=options.fdr, revises=options.revises).to_json()
        out(options, body, reviews.relabel)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "sample": _sample,
    "verdict": _verdict,
    "review": _review,
    "relabel": _relabel,
}
