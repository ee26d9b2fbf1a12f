"""The questions of a datasheet, and those that a model card asks a person besides.

References
----------
Gebru, Morgenstern, Vecchione, Wortman Vaughan, Wallach, Daumé III and Crawford, "Datasheets for datasets",
Communications of the ACM 2021: fifty questions here. "Any other comments?" is one open field in each section
and is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CARD", "COMMENTS", "PEOPLE", "QUESTIONS", "SECTIONS", "Question", "keys"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes
    ----------
    key : short name, under which a person's answer is kept.
    section : of the datasheet.
    text : the question.
    hint : what a person is asked, in short.
    """

    key: str
    section: str
    text: str
    hint: str = ""


SECTIONS = (
    "Motivation", "Composition", "Collection process", "Preprocessing, cleaning, labelling", "Uses",
    "Distribution",
    "Maintenance",
)  # fmt: skip

_M, _C, _L, _P, _U, _D, _T = SECTIONS

QUESTIONS: Sequence[Question] = (
    Question(
        "purpose", _M, "For what purpose was the data set created? Was there a task, or a gap to be filled?"
    ),
    Question(
        "creators", _M, "Who created the data set, and on behalf of which entity?", "team and organisation"
    ),
    Question(
        "funding", _M, "Who funded the creation of the data set?", "grant or grantor, or: nobody outside"
    ),
    Question("instances", _C, "What do the instances represent? Are there several types of them?"),
    Question("counts", _C, "How many instances are there in total, of each type?"),
    Question(
        "sample",
        _C,
        "Does the data set contain all possible instances, or is it a sample of a larger set?",
        "what it is a sample of, and whether it is representative",
    ),
    Question("fields", _C, "What data does each instance consist of?"),
    Question("labels", _C, "Is there a label or target associated with each instance?"),
    Question("missing", _C, "Is any information missing from individual instances?"),
    Question("relationships", _C, "Are relationships between individual instances made explicit?"),
    Question("splits", _C, "Are there recommended data splits, and what is the reason for them?"),
    Question("errors", _C, "Are there any errors, sources of noise, or redundancies in the data set?"),
    Question("self_contained", _C, "Is the data set self-contained, or does it rely on external resources?"),
    Question(
        "confidential",
        _C,
        "Does the data set contain data that might be considered confidential?",
        "business secrets, privileged talk, or nothing of the kind",
    ),
    Question(
        "offensive",
        _C,
        "Does it contain data that, if viewed directly, might be offensive, insulting, threatening, or "
        "cause anxiety?",
        "what a reader should be warned of",
    ),
    Question(
        "subpopulations", _C, "Does the data set identify any subpopulations, and how are they distributed?"
    ),
    Question(
        "identifiable",
        _C,
        "Is it possible to identify individuals, directly or together with other data?",
        "whether names or stories give people away",
    ),
    Question(
        "sensitive",
        _C,
        "Does the data set contain data that might be considered sensitive in any way?",
        "health, belief, origin, money, place, ...",
    ),
    Question(
        "acquired",
        _L,
        "How was the data associated with each instance acquired?",
        "seen, reported, or inferred",
    ),
    Question(
        "mechanisms",
        _L,
        "What mechanisms or procedures were used to collect the data?",
        "form, program, sensor",
    ),
    Question(
        "sampling", _L, "If the data set is a sample from a larger set, what was the sampling strategy?"
    ),
    Question(
        "collectors",
        _L,
        "Who was involved in the data collection, and how were they compensated?",
        "who, and what they were paid",
    ),
    Question(
        "timeframe", _L, "Over what timeframe was the data collected, and does it match when it came to be?"
    ),
    Question(
        "ethics", _L, "Were any ethical review processes conducted?", "which, with what outcome, or: none"
    ),
    Question("direct", _L, "Was the data collected from the individuals directly, or via third parties?"),
    Question(
        "notified", _L, "Were the individuals notified about the data collection?", "how, in which words"
    ),
    Question("consented", _L, "Did the individuals consent to the collection and use of their data?"),
    Question("revoke", _L, "Were they given a way to revoke their consent?", "how somebody asks for it"),
    Question(
        "impact",
        _L,
        "Has the potential impact of the data set and its use on data subjects been analysed?",
        "which analysis, with what outcome, or: none",
    ),
    Question("preprocessing", _P, "Was any preprocessing, cleaning or labelling of the data done?"),
    Question("raw", _P, "Was the raw data saved in addition to the preprocessed, cleaned, labelled data?"),
    Question("software", _P, "Is the software that was used for it available?"),
    Question("used", _U, "Has the data set been used for any tasks already?"),
    Question(
        "repository", _U, "Is there a repository that links to papers or systems that use the data set?"
    ),
    Question("other_uses", _U, "What other tasks could the data set be used for?"),
    Question(
        "future", _U, "Is there anything about its composition or cleaning that might impact future uses?"
    ),
    Question("not_for", _U, "Are there tasks for which the data set should not be used?", "and why"),
    Question("third_parties", _D, "Will the data set be distributed to third parties?", "to whom"),
    Question("how", _D, "How will the data set be distributed? Does it have an identifier?"),
    Question("when", _D, "When will the data set be distributed?"),
    Question("licence", _D, "Under which licence or terms of use will the data set be distributed?"),
    Question("restrictions", _D, "Have third parties imposed restrictions on the data?"),
    Question(
        "export", _D, "Do export controls or other regulatory restrictions apply?", "which, or: none known"
    ),
    Question("maintainer", _T, "Who supports, hosts and maintains the data set?", "person or team"),
    Question(
        "reach", _T, "How can the owner, curator or manager of the data set be contacted?", "an address"
    ),
    Question("erratum", _T, "Is there an erratum?"),
    Question("updates", _T, "Will the data set be updated: how often, by whom, and how is it made known?"),
    Question(
        "retention",
        _T,
        "If it relates to people: are there limits on the retention of their data?",
        "how long, and how it is enforced",
    ),
    Question("older", _T, "Will older versions continue to be supported, hosted and maintained?"),
    Question(
        "contribute", _T, "If others want to extend or contribute to the data set, is there a way to do so?"
    ),
)

COMMENTS: Sequence[Question] = tuple(
    Question(f"comments_{name.split()[0].strip(',').lower()}", name, "Any other comments?")
    for name in SECTIONS
)

CARD: Sequence[Question] = (
    Question("owner", "Model card", "Who answers for this model and its data?", "team and organisation"),
    Question("contact", "Model card", "How can they be reached?", "an address"),
    Question("intended_use", "Model card", "What is the model for, and who uses it?", "one or two sentences"),
    Question("out_of_scope", "Model card", "What must it not be used for?", "one or two sentences"),
    Question("people", "Model card", "Do the rows relate to people?", "no; or: yes, and to whom"),
    Question("limits", "Model card", "Which limits does it have that no number shows?", "optional"),
)

PEOPLE = (
    "subpopulations", "identifiable", "sensitive", "direct", "notified", "consented", "revoke", "impact",
    "retention",
)  # fmt: skip
"""Questions that Gebru et al. ask only where the data relate to people."""


def keys() -> list[str]:
    """Keys of all questions that a person may answer."""
    return [q.key for q in (*CARD, *QUESTIONS, *COMMENTS)]
