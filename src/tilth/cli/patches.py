"""Verbs about findings and patches: audit, propose, try, decide."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tilth.arguments import parser
from tilth.cli.console import console, open_project, out, plain, write, written

if TYPE_CHECKING:
    from tilth.project import Project

__all__ = ["VERBS"]

EXIT = {"better": 0, "no evidence": 3, "worse": 4}


def _audit(options: argparse.Namespace) -> int:
    from tilth.errors import InputError
    from tilth.evaluation import warning
    from tilth.report import terminal

    with open_project(options) as project:
        audit = project.audit(self_test=options.self_test)
        body = audit.to_json() | {"evaluation_first": warning(project.workspace, audit)}
    if body["evaluation_first"]:  # nothing else counts before these
        body["findings"].sort(key=lambda f: f["code"] != "TIL105")
    if options.code:
        known, code = (
            sorted({*body["counts"], *body["failed"], *body["not_applicable"]}),
            options.code.upper(),
        )
        if code not in known:
            raise InputError(f"no check has the code {options.code!r}; there are {', '.join(known)}")
        body["findings"] = [f for f in body["findings"] if f["code"] == code]
    out(options, body, lambda console, b: terminal.audit(console, b, limit=options.limit))
    return 0


def _proposals(options: argparse.Namespace, infos: Sequence[Any]) -> None:
    from tilth import decisions
    from tilth.report import terminal

    body = [decisions.line(i) for i in infos]
    out(options, body, terminal.proposals)


def _propose(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        _proposals(options, project.propose())
    return 0


def _patches(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        _proposals(options, project.patches(options.state))
    return 0


def _patch(options: argparse.Namespace) -> int:
    from tilth.patch import render

    with open_project(options) as project:
        if options.only or options.without:
            rows, author = options.only or options.without, options.author
            _proposals(
                options, [project.part_of(options.patch, rows, without=not options.only, author=author)]
            )
        elif options.out:
            written(options, project.write_patch(options.patch, options.out))
        else:
            lines = render(project.patch(options.patch))
            if options.json:
                header, *ops = map(json.loads, lines.splitlines())
                out(options, {**header, "ops": ops}, lambda console, body: None)
            else:
                write(lines)
    return 0


def _patch_of(options: argparse.Namespace, project: Project) -> Any:
    """The id of a patch on record, or the patch in a file."""
    return project.read_patch(options.patch_file) if options.patch_file else options.patch


def _trial(options: argparse.Namespace) -> int:
    from tilth.report import markdown, terminal

    if options.markdown and options.json:
        parser().error("--markdown and --json exclude each other")
    with open_project(options) as project:
        trial = project.trial(_patch_of(options, project))
    for note in trial.notes:
        console(err=True).print(plain(note), soft_wrap=True)
    if options.markdown:
        write(markdown.trial(trial.to_json()))
    else:
        out(options, trial.to_json(), terminal.trial)
    return EXIT["worse" if trial.regressions or trial.broken else trial.verdict]


def _accept(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        patch = _patch_of(options, project)
        version = project.accept(patch, force=options.force, author=options.author, reason=options.reason)
        _version_line(options, asdict(version), "accepted")
    return 0


def _version_line(options: argparse.Namespace, body: dict[str, Any], what: str) -> None:
    text = f"{what}; {body['dataset']}@{body['seq']} is {body['id'][:12]} with {body['rows']:,} rows"
    out(options, body, lambda console, b: console.print(text))


def _reject(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        info = project.reject(options.patch, reason=options.reason, author=options.author)
        out(options, {"id": info.id, "state": info.state}, lambda c, b: c.print(f"rejected {b['id']}"))
    return 0


def _revert(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        _version_line(options, asdict(project.revert(options.patch, author=options.author)), "reverted")
    return 0


def _rebase(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        info = project.rebase(options.patch)
        new = f"new patch {info.id}; measure it with: tilth trial {info.id}"
        words = new if not info.id.startswith(options.patch) else f"patch {info.id} is on the present head"
        out(options, {"id": info.id, "base": info.base}, lambda c, b: c.print(words))
    return 0


def _comment(options: argparse.Namespace) -> int:
    from tilth.report import history

    with open_project(options) as project:
        if options.text is not None:
            body = project.comment(options.patch, options.text, author=options.author)
        else:
            found = project.comments(options.patch)
            body = {"patch": project.workspace.store.patch_info(options.patch).id, "comments": found}
    out(options, body, history.comments)
    return 0


def _restore(options: argparse.Namespace) -> int:
    from tilth.report import history

    with open_project(options) as project:
        body = {"would": project.would_restore(options.version)}
        if not options.preview:
            body["version"] = asdict(project.restore(options.version, author=options.author))
    out(options, body, history.restored)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "audit": _audit,
    "propose": _propose,
    "patches": _patches,
    "patch": _patch,
    "trial": _trial,
    "accept": _accept,
    "reject": _reject,
    "revert": _revert,
    "rebase": _rebase,
    "comment": _comment,
    "restore": _restore,
}
