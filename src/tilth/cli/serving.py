"""Verbs that serve releases: start a server, change what a running one serves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tilth.arguments import parser
from tilth.cli.console import open_project, out, plain

if TYPE_CHECKING:
    from rich.console import Console

    from tilth.serve.arms import Asked

__all__ = ["VERBS", "feedback"]


def _asked(options: argparse.Namespace) -> list[Asked]:
    """The releases with their shares, the shadows last."""
    from tilth.serve.arms import Asked

    shares = options.shares or [1.0] * len(options.bundle)
    if len(shares) != len(options.bundle):
        parser().error(f"--shares needs one number for each of the {len(options.bundle)} bundles")
    answering = [Asked(str(path), share) for path, share in zip(options.bundle, shares, strict=True)]
    return [*answering, *(Asked(str(path), 0.0, shadow=True) for path in options.shadow)]


def _state(options: argparse.Namespace) -> Path:
    """The folder given, else serve-state beside the first bundle."""
    if options.state is None and not options.bundle:
        parser().error("say which server with --state DIR")
    return options.state or Path(options.bundle[0]).absolute().parent / "serve-state"


def _serve(options: argparse.Namespace) -> int:
    from tilth.release.bundle import load
    from tilth.serve.batching import Queue
    from tilth.serve.protocol import Limits
    from tilth.serve.server import serve
    from tilth.serve.settings import Settings

    state = _state(options)
    settings = Settings(
        state=state, host=options.host, port=options.port, tokens=options.tokens, escalate=options.escalate,
        keep_rows=options.keep_rows, log_rows=options.log_rows, access_log=options.access_log,
        fresh=options.fresh, days=options.keep_days, limits=Limits(body=options.max_body),
        queue=Queue(requests=options.queue, timeout=options.timeout),
    )  # fmt: skip

    def started(address: str, words: str) -> None:
        body = {"address": address, "state": str(state), "note": words}
        out(options, body, _show_start)
        sys.stdout.flush()

    def log(lines: str) -> None:
        sys.stderr.write(lines)
        sys.stderr.flush()

    serve(_asked(options), settings, load=load, log=log, started=started)
    return 0


def _show_start(console: Console, body: dict[str, str]) -> None:
    console.print(
        f"serving at {body['address']}, described by {body['address']}/openapi.json", soft_wrap=True
    )
    console.print(f"state: {plain(body['state'])}; stop with Ctrl-C or SIGTERM", soft_wrap=True)
    if body["note"]:
        console.print(f"[yellow]{plain(body['note'])}[/]", soft_wrap=True)


def _swap(options: argparse.Namespace) -> int:
    from tilth.serve.remote import rollback, swap

    if options.back == bool(options.bundle):
        parser().error("give the bundles to serve, or --back")
    state = _state(options)
    body = rollback(state) if options.back else swap(state, _asked(options))
    out(options, body, _show_releases)
    return 0


def _show_releases(console: Console, body: dict[str, list[dict[str, object]]]) -> None:
    for release in body["releases"]:
        share = (
            "asked beside the others"
            if release["state"] == "shadow"
            else f"{release['share']:.0%} of the keys"
        )
        console.print(
            f"{release['arm']}  {plain(str(release['name']))}  {release['id']}  {release['state']}, {share}",
            soft_wrap=True,
        )


def feedback(options: argparse.Namespace) -> int:
    """Propose patches of what people said about served answers."""
    from tilth.report import feedback as show

    with open_project(options) as project:
        out(options, project.feedback(options.state).to_json(), show.feedback)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "feedback": feedback,
    "serve": _serve,
    "swap": _swap,
}
