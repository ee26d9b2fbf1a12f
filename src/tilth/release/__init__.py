"""Releases: a frozen bundle with a model that answers, and what is known about it.

>>> from tilth.release import load

Where things are, in the order of the work:

- to answer, with numpy alone: `bundle` (load, predict), `forward` (texts to logits), `abstain` (reasons),
  `evidence` (nearest known rows); `stream` answers files;
- to build: `build` leads; `fitted` (the model), `decide` and `thresholds` (temperature, precision),
  `measured` (scores), `gates`, `export` (files), `released` (what was done);
- to tell: `book` gathers what cards tell, each number a `claims.Claim`; `card` and `datasheet` (`questions`,
  their `replies` from the records in `composition` and `process`, those of people in `answers`) are pages of
  `prose`, shown by `view`; `sources`, `profile`, `croissant`, `spdx`; `documents` writes them all; `known` is
  the datasheet without a release;
- to check: `verify`, with rows found by `scored` and the release made `again`.
"""

from __future__ import annotations

from tilth.release.bundle import Answer, Release, Scores, load

__all__ = ["Answer", "Release", "Scores", "load"]
