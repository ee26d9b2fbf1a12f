"""Croissant: what the data set is, for programs; JSON-LD of format 1.0 with its responsible-AI fields.

The rows stay in the project. The description names the files that `tilth checkout` writes of the released
versions, with their digests, so that whoever is given a file can tell that it is the one.

References
----------
MLCommons, "Croissant format specification 1.0", 2024; "Croissant RAI specification 1.0", 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tilth.data import Version
from tilth.export import OWN_ID
from tilth.release.book import Book
from tilth.release.profile import Profile

__all__ = ["context", "croissant"]

KINDS = {
    "text": "sc:Text",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "mixed": "sc:Text",
}


def context() -> dict[str, Any]:
    """The `@context` of Croissant 1.0, word for word."""
    terms = {
        "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo", "cr":
        "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
        "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/", "examples": {"@id": "cr:examples", "@type": "@json"},
        "equivalentProperty": "cr:equivalentProperty", "extract": "cr:extract", "field": "cr:field",
        "fileProperty": "cr:fileProperty", "fileObject":
        "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
        "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
        "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet", "references":
        "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField":
        "cr:subField", "transform": "cr:transform",
    }  # fmt: skip
    return {"@language": "en", "@vocab": "https://schema.org/", **terms}


def croissant(book: Book) -> dict[str, Any]:
    """The description of the released data set."""
    facts = book.facts
    sets = [("train", book.version, book.train)]
    if book.evaluation_version is not None and book.evaluation is not None:
        sets.append(("evaluation", book.evaluation_version, book.evaluation))
    licences = sorted({s.terms.licence for s in book.sources if s.terms and s.terms.licence})
    urls = [s.terms.url for s in book.sources if s.terms and s.terms.url]
    body: dict[str, Any] = {
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": book.ws.config.name,
        "description": book.text("purpose")
        or f"Texts ({facts.text}) with labels ({facts.label}) of {len(facts.classes)} classes.",
        "identifier": facts.train,
        "version": f"{book.version.seq}.0.0",
        "datePublished": facts.created[:10],
        "dateModified": book.version.created[:10],
        "inLanguage": "und",
        "distribution": [_file(book, name, version) for name, version, _ in sets],
        "recordSet": [_records(book, name, profile) for name, _, profile in sets],
        **_rai(book),
    }
    if licences:
        body["license"] = licences
    if urls:
        body["url"] = urls[0]
    if owner := book.text("owner"):
        body["creator"] = {"@type": "sc:Organization", "name": owner}
    if cite := book.text("cite"):
        body["citeAs"] = cite
    return body


def _file(book: Book, name: str, version: Version) -> dict[str, Any]:
    digest, size = book.export(version)
    return {
        "@type": "cr:FileObject",
        "@id": f"{name}.csv",
        "name": f"{name}.csv",
        "description": f"Written by: tilth checkout {version.id} --out {name}.csv",
        "contentUrl": f"{name}.csv",
        "contentSize": f"{size} B",
        "encodingFormat": "text/csv",
        "sha256": digest,
    }


def _records(book: Book, name: str, profile: Profile) -> dict[str, Any]:
    columns = book.ws.config.columns
    fields = [
        (columns.id or OWN_ID, "sc:Text", "Id of the row; stays when its label changes."),
        *((c.name, KINDS[c.kind], "The text." if c.name == columns.text else "") for c in profile.columns),
        (columns.label or "label", "sc:Text", "The label."),
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{profile.rows} rows of version {profile.version}.",
        "field": [_field(name, *field) for field in fields],
    }


def _field(records: str, column: str, kind: str, words: str) -> dict[str, Any]:
    id = f"{records}/{quote(column, safe='', errors='backslashreplace')}"
    return {
        "@type": "cr:Field",
        "@id": id,
        "name": id,
        "description": words or f"Column {column}.",
        "dataType": kind,
        "source": {"fileObject": {"@id": f"{records}.csv"}, "extract": {"column": column}},
    }


def _rai(book: Book) -> dict[str, str]:
    """What is on record for the responsible-AI fields; nothing is said where nothing is known."""
    collected = [f"{s.shown}: {s.terms.collected}" for s in book.sources if s.terms and s.terms.collected]
    ops = ", ".join(f"{n} {kind}" for kind, n in sorted(book.ops.items()))
    found: Mapping[str, str] = {
        "rai:dataCollection": "; ".join(collected),
        "rai:dataUseCases": book.text("intended_use"),
        "rai:dataLimitations": "; ".join(x for x in (book.text("out_of_scope"), book.text("limits")) if x),
        "rai:personalSensitiveInformation": book.text("sensitive") or book.text("people"),
        "rai:dataPreprocessingProtocol": f"accepted patches: {len(book.accepted)} ({ops or 'no ops'})",
        "rai:dataReleaseMaintenancePlan": book.text("maintainer") or book.text("owner"),
    }
    return {key: text for key, text in found.items() if text}
