"""SPDX 3.0.1: model and data set as packages, with what the model was trained and tested on; JSON-LD.

3.0 and not 2.3, because it alone has profiles for data sets and models (docs/decisions/0024-cards.md).

References
----------
"The System Package Data Exchange (SPDX) specification 3.0.1", 2024: profiles Core, Software, Dataset, AI.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from tilth import __version__
from tilth.data import Version
from tilth.release.book import Book
from tilth.release.claims import Claim
from tilth.release.profile import Profile
from tilth.release.prose import figure

__all__ = ["spdx"]

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_KNOWN = re.compile(r"[A-Za-z0-9.+-]+")


def spdx(book: Book) -> dict[str, Any]:
    """The SPDX document of a release."""
    facts = book.facts
    key = hashlib.sha256(
        f"{facts.name}\n{facts.train}\n{facts.evaluation}\n{facts.recipe}".encode()
    ).hexdigest()
    base = f"urn:tilth:release:{key[:32]}"
    agents = _agents(book, base)
    model = _model(book, f"{base}:model", agents[-1]["spdxId"])
    sets = [_data(book, f"{base}:train", "train", book.version, book.train, agents[-1]["spdxId"])]
    if book.evaluation_version is not None and book.evaluation is not None:
        version, profile = book.evaluation_version, book.evaluation
        sets.append(_data(book, f"{base}:evaluation", "evaluation", version, profile, agents[-1]["spdxId"]))
    links = [_link(f"{base}:trained", "trainedOn", model["spdxId"], [sets[0]["spdxId"]])]
    if len(sets) > 1:
        links.append(_link(f"{base}:tested", "testedOn", model["spdxId"], [sets[1]["spdxId"]]))
    licences = _licences(book, base, [s["spdxId"] for s in sets])
    elements = [*agents, model, *sets, *links, *licences]
    document = {
        "type": "SpdxDocument",
        "spdxId": f"{base}:document",
        "creationInfo": "_:creation",
        "name": f"{facts.name} and its data",
        "profileConformance": ["core", "software", "dataset", "ai", "simpleLicensing"],
        "rootElement": [model["spdxId"]],
        "element": [e["spdxId"] for e in elements],
    }
    creation = {
        "type": "CreationInfo",
        "@id": "_:creation",
        "specVersion": "3.0.1",
        "created": _utc(facts.created),
        "createdBy": [agents[0]["spdxId"]],
    }
    return {"@context": CONTEXT, "@graph": [creation, document, *elements]}


def _utc(time: str) -> str:
    """A time as SPDX wants it: 2025-03-01T12:00:00Z."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return "1970-01-01T00:00:00Z"
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")


def _agents(book: Book, base: str) -> list[dict[str, Any]]:
    """The program, and who answers for the release where somebody is stated."""
    found = [
        {
            "type": "SoftwareAgent",
            "spdxId": f"{base}:tilth",
            "creationInfo": "_:creation",
            "name": f"tilth {__version__}",
        }
    ]
    if owner := book.text("owner"):
        found.append(
            {"type": "Agent", "spdxId": f"{base}:owner", "creationInfo": "_:creation", "name": owner}
        )
    return found


def _package(book: Book, id: str, name: str, supplier: str) -> dict[str, Any]:
    return {
        "spdxId": id,
        "creationInfo": "_:creation",
        "name": name,
        "releaseTime": _utc(book.facts.created),
        "suppliedBy": supplier,
    }


def _model(book: Book, id: str, supplier: str) -> dict[str, Any]:
    facts = book.facts
    limits = [x for x in (book.text("out_of_scope"), book.text("limits")) if x]
    body = {
        "type": "ai_AIPackage",
        **_package(book, id, facts.name, supplier),
        "software_packageVersion": facts.train,
        "software_primaryPurpose": "model",
        "software_downloadLocation": id,
        "ai_typeOfModel": [facts.recipe],
        "ai_domain": ["text classification"],
        "ai_informationAboutTraining": f"made again by: {facts.command}",
        "ai_hyperparameter": [_entry("threshold", f"{facts.threshold:.6g}")],
        "ai_metric": [_entry(name, figure(claim)) for name, claim in _metrics(book).items()],
    }
    if limits:
        body["ai_limitation"] = " ".join(limits)
    return body


def _metrics(book: Book) -> dict[str, Claim]:
    names = (
        "accuracy",
        "balanced accuracy",
        "log loss",
        "calibration error",
        "share answered",
        "precision of answers",
    )
    return {name: book.scores[name] for name in names if name in book.scores}


def _entry(key: str, value: str) -> dict[str, str]:
    return {"type": "DictionaryEntry", "key": key, "value": value}


def _data(
    book: Book, id: str, kind: str, version: Version, profile: Profile, supplier: str
) -> dict[str, Any]:
    digest, _ = book.export(version)
    collected = [f"{s.shown}: {s.terms.collected}" for s in book.sources if s.terms and s.terms.collected]
    urls = [s.terms.url for s in book.sources if s.terms and s.terms.url]
    people = book.text("sensitive") or book.text("people")
    body: dict[str, Any] = {
        "type": "dataset_DatasetPackage",
        **_package(book, id, f"{book.ws.config.name} ({kind})", supplier),
        "software_packageVersion": version.id,
        "software_primaryPurpose": "data",
        "software_downloadLocation": urls[0] if urls else f"urn:tilth:version:{version.id}",
        "builtTime": _utc(version.created),
        "originatedBy": [supplier],
        "dataset_datasetType": ["text"],
        "dataset_datasetSize": profile.rows,
        "dataset_dataCollectionProcess": "; ".join(collected)
        or "taken in from: " + ", ".join(s.shown for s in book.sources),
        "dataset_hasSensitivePersonalInformation": "no"
        if people.strip().lower().startswith("no")
        else "noAssertion",
        "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": digest}],
    }
    if kind == "train":
        body["dataset_datasetNoise"] = f"labels believed wrong: {figure(book.errors)}"
        body["dataset_dataPreprocessing"] = [f"patch {a.info.id}: {a.info.title}" for a in book.accepted]
    if use := book.text("intended_use"):
        body["dataset_intendedUse"] = use
    return {k: v for k, v in body.items() if v != []}


def _link(id: str, kind: str, from_: str, to: list[str]) -> dict[str, Any]:
    return {
        "type": "Relationship",
        "spdxId": id,
        "creationInfo": "_:creation",
        "relationshipType": kind,
        "from": from_,
        "to": to,
    }


def _licences(book: Book, base: str, sets: list[str]) -> list[dict[str, Any]]:
    """Stated licences of the sources: a set has all of them."""
    names = sorted({s.terms.licence for s in book.sources if s.terms and s.terms.licence})
    if not names:
        return []
    parts = [
        n if _KNOWN.fullmatch(n) else "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", n).strip("-")
        for n in names
    ]
    expression = {
        "type": "simplelicensing_LicenseExpression",
        "spdxId": f"{base}:licence",
        "creationInfo": "_:creation",
        "simplelicensing_licenseExpression": " AND ".join(parts),
    }
    ties = [
        _link(f"{base}:licence-of-{i}", "hasDeclaredLicense", s, [expression["spdxId"]])
        for i, s in enumerate(sets)
    ]
    return [expression, *ties]
