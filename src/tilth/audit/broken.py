"""TIL501: rows that are no example of anything: empty, unreadable, absurdly long."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from tilth import stats
from tilth.audit.base import Finding, Suggestion, View, excerpt, needs_texts

__all__ = ["BrokenRows"]

MOJIBAKE = re.compile("Ã[\x80-\xbf\u2018-\u203a ©¨¤¶¼Ÿ]|â€[™œ\x9d“”¢¦]|Â[ £§°»«]|ï¿½")
NO_VOWEL = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}", re.IGNORECASE)


class BrokenRows:
    """Empty, one character, unreadable characters, or far longer than anything else."""

    code = "TIL501"
    name = "broken row"

    def applies(self, view: View) -> str:
        """A reason when there are no texts, else ""."""
        return needs_texts(view)

    def find(self, view: View) -> list[Finding]:
        """One finding for each broken row, with the reason."""
        if not view.has_texts:
            return []
        lengths = np.log1p([len(t) for t in view.texts]) if view.texts else np.empty(0)
        far = stats.robust_z(lengths) if len(lengths) else lengths
        out = []
        for i, text in enumerate(view.texts):
            reason = fault(text) or (
                f"{len(text):,} characters, far more than any other row"
                if len(text) > 2_000 and far[i] > 6
                else ""
            )
            if reason:
                out.append(
                    Finding(
                        code=self.code,
                        rows=(view.train.ids[i],),
                        score=1.0,
                        message=reason,
                        evidence={
                            "text": excerpt(text, 240),
                            "characters": len(text),
                            "label": view.train.labels[i],
                        },
                        suggestions=(Suggestion("drop", view.train.ids[i]),),
                    )
                )
        return out


def fault(text: str) -> str:
    """Why a text is broken, or ""."""
    bare = text.strip()
    if not bare:
        return "empty text"
    if len(bare) == 1 and not unicodedata.category(bare).startswith("Lo"):
        return "a single character"
    if not any(c.isalnum() for c in bare):
        return "no letter or digit"
    if "\ufffd" in bare or not bare.isprintable():  # the count below is slow and seldom needed
        strange = sum(c == "\ufffd" or unicodedata.category(c) in ("Cc", "Cs", "Co") for c in bare)
        strange -= sum(bare.count(c) for c in "\t\n\r")
        if strange and strange >= 0.02 * len(bare):
            return "unreadable characters"
    if len(MOJIBAKE.findall(bare)) >= 2:
        return "wrongly decoded text (mojibake)"
    words = bare.split()
    noise = sum(bool(NO_VOWEL.search(w)) or bool(re.fullmatch(r"(.)\1{4,}", w)) for w in words)
    if len(words) <= 4 and noise >= max(1, len(words) / 2) and not any(map(str.isdigit, bare)):
        return "keyboard noise"
    return ""
