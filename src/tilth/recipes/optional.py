"""Optional packages: imported at the place of use; a missing one names the pip line."""

from __future__ import annotations

import importlib
from typing import Any

from tilth.errors import MissingExtra

__all__ = ["need"]


def need(package: str, feature: str, extra: str) -> Any:
    """Import an optional package.

    Parameters
    ----------
    package : its import name, which is also its name on PyPI.
    feature : what needs it, as the beginning of a sentence ("embedding texts").
    extra : the extra of Tilth that installs it.

    Returns
    -------
    The module. It is imported by name, so that tools that read imports (and forbid, say, torch in
    a release) see that nothing depends on it.

    Raises
    ------
    MissingExtra
        The package is not installed. A package that is there but broken raises its own ImportError.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtra(feature, package, extra) from None
