"""Findings cite the label guide: the clause for the two classes between which the doubt is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tilth.audit.base import Finding
from tilth.guide import Guide

__all__ = ["cite"]

CODES = ("TIL101", "TIL104")
"""Findings with a given and a suggested class in their evidence."""


def cite(findings: Iterable[Finding], guide: Guide, version: int) -> list[Finding]:
    """The findings, with the evidence "guide" where an accepted clause is about their two classes.

    Parameters
    ----------
    version : of the guide.
    """
    out = []
    for finding in findings:
        given, other = finding.evidence.get("given"), finding.evidence.get("suggested")
        clause = None
        if finding.code in CODES and isinstance(given, str) and isinstance(other, str):
            clause = guide.clause(given, other)
        if clause is not None:
            cited = {"version": version, "clause": clause.title, "rule": clause.rule}
            finding = replace(finding, evidence={**finding.evidence, "guide": cited})
        out.append(finding)
    return out
