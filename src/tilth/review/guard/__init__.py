"""Guard: who may talk to the server of the review page, and in whose name."""

from __future__ import annotations

from tilth.review.guard.asgi import WHO, App
from tilth.review.guard.door import HOSTS, Entrance, Guard, OwnerEntrance
from tilth.review.guard.login import Ended, LoginEntrance, key_in
from tilth.review.guard.passwords import People
from tilth.review.guard.proxy import ProxyEntrance

__all__ = [
    "HOSTS", "WHO", "App", "Ended", "Entrance", "Guard", "LoginEntrance", "OwnerEntrance", "People",
    "ProxyEntrance", "key_in",
]  # fmt: skip
