"""Change what is served while it is served: beside it, checked, in one step, and back in an instant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from tilth.errors import Refused, TilthError
from tilth.serve.arms import Asked, Deployment, Model, deployment
from tilth.serve.batching import Batcher
from tilth.serve.state import State

__all__ = ["Stage", "first"]

COMMAND = "command"
"""Setting: ids of the releases that the server was started with, as JSON."""


class Stage:
    """What is served, and what was before.

    Parameters
    ----------
    present : what is served.
    load : reads a bundle.
    state : for writing; each change is on disk before it is acknowledged, so a restart finds it.
    """

    def __init__(
        self, present: Deployment, *, load: Callable[[str], Model], state: State, batcher: Batcher
    ) -> None:
        self.present, self.load, self.state, self.batcher = present, load, state, batcher
        self.before: Deployment | None = None
        self._one = asyncio.Lock()

    async def swap(self, asked: Sequence[Asked], at: str) -> None:
        """Serve other releases; requests on their way are finished by those they met.

        Raises
        ------
        TilthError : a bundle is bad, or the state cannot be written: nothing has changed.
        """
        async with self._one:
            found = await asyncio.to_thread(self._made, asked)
            await self._change(found, at)

    async def rollback(self, at: str) -> None:
        """Serve what was served before; a second time goes forward again.

        Raises
        ------
        Refused : nothing was served before since this server has started.
        """
        async with self._one:
            if self.before is None:
                raise Refused("nothing else was served since this server has started; swap to a bundle")
            await self._change(self.before, at)

    def _made(self, asked: Sequence[Asked]) -> Deployment:
        found = deployment(asked, self.load, self.present)
        for arm in found.arms:
            self.batcher.learn(arm)
        return found

    async def _change(self, found: Deployment, at: str) -> None:
        await asyncio.to_thread(self.state.deploy, found.served(at), at)
        self.present, self.before = found, self.present


def first(
    asked: Sequence[Asked], load: Callable[[str], Model], state: State, at: str, *, fresh: bool
) -> tuple[Deployment, str]:
    """What a server serves at its start, and a sentence where it is not what the command says.

    A swap outlives the process: started again with the same bundles, the server goes on with what was served
    last. Started with others, the command counts.

    Raises
    ------
    InputError : a bundle of the command cannot be used.
    """
    commanded = deployment(asked, load)
    ids = json.dumps([[a.release.id, a.share, a.shadow] for a in commanded.arms])
    last = state.releases()
    words = ""
    found = commanded
    if not fresh and state.setting(COMMAND) == ids and last:
        wanted = [Asked(r.path, r.share, r.state == "shadow") for r in last]
        try:
            resumed = deployment(wanted, load, commanded)
            if [a.release.id for a in resumed.arms] == [r.id for r in last]:
                found = resumed
            else:
                words = "a bundle that was served last has changed on disk, so the command's is served"
        except TilthError as error:
            words = f"what was served last cannot be used, so the command's is served: {error}"
        if not words and [a.release.id for a in found.arms] != [a.release.id for a in commanded.arms]:
            words = (
                f"going on with what was served since {last[0].since}; --fresh serves what the command says"
            )
    # the same releases and shares as before the restart: a comparison of them goes on, it does not begin anew
    alike = [
        [replace(r, since="", share=round(r.share, 9)) for r in some] for some in (found.served(""), last)
    ]
    if alike[0] != alike[1]:
        state.deploy(found.served(at), at)
    state.set(COMMAND, ids)
    return found, words
