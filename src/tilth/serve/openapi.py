"""The server's addresses described for programs (OpenAPI 3.1): written by hand, checked by a test."""

from __future__ import annotations

from typing import Any

__all__ = ["document"]

TEXT = {"type": "string"}
MAYBE = {"type": ["string", "null"]}
NUMBER = {"type": "number"}
FLAG = {"type": "boolean"}
ROW = {"oneOf": [TEXT, {"type": "object", "description": "with the text column of the release"}]}


def document(*, needed: bool) -> dict[str, Any]:
    """The document that GET /openapi.json answers with.

    Parameters
    ----------
    needed : whether every request needs a token.
    """
    from tilth import __version__

    return {
        "openapi": "3.1.0",
        "info": {"title": "Tilth", "version": __version__, "description": ABOUT},
        "security": [{"token": []}] if needed else [{}, {"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


ABOUT = (
    "Answers of one or several releases. An answer is a label with a calibrated probability, or an "
    "abstention with its reason. What people say about answers goes to /feedback and is acknowledged when it "
    "is on disk."
)


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(words: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _object(properties: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(name)}}}


def _op(
    words: str, answers: dict[str, Any], *errors: str, body: str = "", admin: bool = False, open: bool = False
) -> dict[str, Any]:
    """One operation; every one may be refused by the guard."""
    found: dict[str, Any] = {"summary": words, "responses": dict(answers)}
    for code in (
        "400",
        *errors,
        *(("415",) if body else ()),
        *(() if open else ("401", "403")),
        "421",
        "500",
    ):
        found["responses"].setdefault(code, _answer(ERRORS[code], _ref("Error")))
    if body:
        found["requestBody"] = _body(body)
    if admin:
        found["security"] = [{"token": []}]
    if open:
        found["security"] = [{}]
    return found


ERRORS = {
    "400": "no HTTP, or no JSON",
    "401": "a token is needed, or not known",
    "403": "from another site, or for the client `admin` only",
    "404": "there is no such answer, or it is another client's",
    "408": "the request did not arrive in time",
    "409": "the key was used for something else",
    "413": "the body, a row or their number is too large",
    "415": "not application/json",
    "421": "the name in Host is not this server's",
    "422": "JSON, but of another shape; the message says where",
    "429": "the queue is full, or the disk cannot keep pace; Retry-After says when to come back",
    "500": "a fault of the server; its log says more",
    "503": "not in time, not ready, or the disk could not keep it; try again",
}


def _paths() -> dict[str, Any]:
    releases = {"200": _answer("what is served", _ref("Releases"))}
    id = {"name": "id", "in": "path", "required": True, "schema": TEXT}
    key = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": TEXT}
    predicted = {"oneOf": [_ref("Answer"), _object({"answers": {"type": "array", "items": _ref("Answer")}})]}
    noted = {"oneOf": [_ref("Receipt"), _object({"feedback": {"type": "array", "items": _ref("Receipt")}})]}
    feedback = _op(
        "Say that an answer is right, wrong, or should have been this label",
        {"201": _answer("on disk", _ref("Receipt")), "200": _answer("known already; or a list", noted),
         "409": _answer(ERRORS["409"], _ref("Receipt"))},
        "408", "413", "422", "429", "503", body="Feedback",
    )  # fmt: skip
    kept = _op("What was answered, and what a person said", {"200": _answer("it", _ref("Kept"))}, "404")
    predict = _op(
        "Answer one row or many", {"200": _answer("one answer, or a list for `rows`", predicted)},
        "408", "413", "422", "429", "503", body="Question",
    )  # fmt: skip
    plain = "text/plain"
    state = {"200": _answer("yes", _ref("Status"))}
    return {
        "/predict": {"post": predict},
        "/feedback": {"post": {**feedback, "parameters": [key]}},
        "/answers/{id}": {"get": {**kept, "parameters": [id]}},
        "/releases": {"get": _op("What is served", releases)},
        "/ab": {"get": _op("How the releases compare", {"200": _answer("by arm", {"type": "object"})})},
        "/admin/releases": {"post": _op("Serve other releases", releases, "422", body="Deploy", admin=True)},
        "/admin/rollback": {"post": _op("Serve what was served before", releases, "422", "415", admin=True)},
        "/healthz": {"get": _op("Does the process answer?", state, open=True)},
        "/readyz": {"get": _op("May requests be sent here?", state | {"503": state["200"]}, open=True)},
        "/metrics": {"get": _op("Counters for Prometheus", {"200": _answer("text format", TEXT, plain)})},
        "/openapi.json": {"get": _op("This document", {"200": _answer("it", {"type": "object"})})},
    }


def _schemas() -> dict[str, Any]:
    likely = _object({"label": TEXT, "probability": NUMBER})
    answer = {
        "id": TEXT, "label": MAYBE, "best": TEXT, "probability": NUMBER, "abstained": FLAG,
        "reason": {"enum": [None, "unsure", "unlike", "outside"]}, "words": TEXT,
        "likely": {"type": "array", "items": likely},
        "nearest": {"type": "array", "items": {"type": "object"}},
        "set": {"type": ["array", "null"], "items": TEXT}, "release": TEXT, "arm": TEXT, "escalated": FLAG,
    }  # fmt: skip
    item = {
        "answer": TEXT, "kind": {"enum": ["right", "wrong", "label", "comment"]}, "label": MAYBE,
        "comment": MAYBE, "key": MAYBE, "client": MAYBE, "explicit": FLAG, "text": MAYBE,
    }  # fmt: skip
    one = _object(item, ("answer", "kind"))
    several = _object({"feedback": {"type": "array", "items": one, "minItems": 1, "maxItems": 1000}})
    release = {
        "arm": TEXT, "id": TEXT, "name": TEXT, "path": TEXT,
        "state": {"enum": ["live", "candidate", "shadow"]},
        "share": NUMBER, "classes": {"type": "integer"},
    }  # fmt: skip
    served = {"type": "array", "items": _object(release)}
    asked = _object({"path": TEXT, "share": NUMBER, "shadow": FLAG}, ("path",))
    kept = {
        "id": TEXT, "at": TEXT, "release": TEXT, "arm": TEXT, "label": MAYBE, "best": TEXT,
        "probability": NUMBER, "abstained": FLAG, "reason": MAYBE,
        "state": {"enum": ["given", "open", "answered"]}, "person": {"type": ["object", "null"]},
    }  # fmt: skip
    more = {"key": MAYBE, "client": MAYBE, "sets": {"type": ["number", "null"]}}
    return {
        "Question": {
            "oneOf": [
                _object({"text": TEXT, **more}, ("text",)),
                _object({"row": ROW, **more}, ("row",)),
                _object({"rows": {"type": "array", "items": ROW}, **more}, ("rows",)),
            ]
        },
        "Answer": _object(answer),
        "Feedback": {"oneOf": [one, several]},
        "Receipt": _object(
            {"key": TEXT, "receipt": {"enum": ["new", "repeated", "conflict", "failed"]}, "message": TEXT},
            ("key", "receipt"),
        ),
        "Kept": _object(kept),
        "Releases": _object({"releases": served, "before": {"oneOf": [served, {"type": "null"}]}}),
        "Deploy": _object({"releases": {"type": "array", "items": asked, "minItems": 1}}),
        "Status": _object({"status": TEXT}),
        "Error": _object({"error": TEXT, "message": TEXT}),
    }
