"""Tables for people who work in pandas; pandas itself is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tilth.errors import MissingExtra

if TYPE_CHECKING:
    import pandas

__all__ = ["frame", "html_table"]


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


def html_table(caption: str, rows: Sequence[Mapping[str, Any]], most: int = 20) -> str:
    """A small HTML table for notebooks; every value is escaped, numbers are rounded."""

    def shown(value: object) -> str:
        return escape(f"{value:.4g}" if isinstance(value, float) else str(value))

    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{escape(n)}</th>" for n in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{shown(row.get(n, ''))}</td>" for n in names) + "</tr>" for row in rows[:most]
    )
    more = f"<p>{len(rows) - most:,} more</p>" if len(rows) > most else ""
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>{more}"
