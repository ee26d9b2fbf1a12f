"""Drift: whether new rows are like the known ones, what changed, and what it does to the model.

columns.py tests each column, domain.py tells new from known rows, stream.py watches the confidence row by
row, surges.py finds words and values that come in a rush, performance.py estimates accuracy without labels.
"""

from tilth.drift.examine import Drift, examine
from tilth.drift.sample import Sample

__all__ = ["Drift", "Sample", "examine"]
