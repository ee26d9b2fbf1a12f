"""Sets of rows: by a filter, by a list, by a lasso; and the same decision for all rows of one."""

from __future__ import annotations

from tilth.sets.kept import KeptSet, find, keep, kept_sets, unpack_mask
from tilth.sets.same import DECIDE, Preview, SameDecision, decide, decided, preview, undo
from tilth.sets.where import Facts, Where, ask, facts_of, positions

__all__ = [
    "DECIDE", "Facts", "KeptSet", "Preview", "SameDecision", "Where", "ask", "decide", "decided", "facts_of",
    "find", "keep", "kept_sets", "positions", "preview", "undo", "unpack_mask",
]  # fmt: skip
