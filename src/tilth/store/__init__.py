"""The project folder: versions, patches, records; one SQLite file, atomic and durable."""

from tilth.store.results import (
    Arriving,
    Decision,
    ImportResult,
    Incoming,
    PatchInfo,
    PatchState,
)
from tilth.store.store import Store

__all__ = [
    "Arriving",
    "Decision",
    "ImportResult",
    "Incoming",
    "PatchInfo",
    "PatchState",
    "Store",
]
