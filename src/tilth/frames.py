"""Tables for people who work in pandas; pandas itself is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tilth.errors import MissingExtra

if TYPE_CHECKING:
    import pandas

__all__ = ["frame"]


def frame(rows: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """A DataFrame with one line for each mapping.

    Raises
    ------
    MissingExtra : pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra("to_pandas()", "pandas", "pandas") from error
    return pd.DataFrame(list(rows))
