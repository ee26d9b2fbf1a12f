"""The tables of the page: what waits for a person, slices, classes, audit, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tilth.report import selftest, svg
from tilth.report.cards import forest
from tilth.report.format import (
    CODE_NAMES,
    Measure,
    code_name,
    count,
    failures,
    items,
    mapping,
    minutes,
    number,
    share,
    stamp,
    sum_minutes,
)
from tilth.report.markup import Cell, Column, Html, data, details, join, mono, num, table, tag
from tilth.report.reviews import errors_line

__all__ = ["audit", "classes", "floors", "history", "slices", "worklist"]

Json = Mapping[str, Any]
EXAMPLES = 50
FLOOR_STATES = ("broken", "missed", "too few rows", "reached", "held")


def worklist(work: Sequence[Json], measure: Measure) -> Html:
    """What only a person can do, best first: gain for each minute."""
    if not work:
        return tag("p", "Nothing waits for a person.")
    unit = measure.unit and ", pp"
    columns = [
        Column("What to do"),
        Column("Rows", "num"),
        Column(f"Expected gain{unit}", "num"),
        Column("Time", "num"),
        Column(f"Gain per minute{unit}", "num"),
    ]
    total = tag(
        "p", f"{len(work):,} pieces of work, {minutes(sum_minutes(work))} in all, most gain a minute first. ",
        "Gains are forecasts: a trial measures them before anything is accepted.", class_="note",
    )  # fmt: skip
    return join([total, tag("div", table("Work for a person", columns, [_work(w, measure) for w in work]))])


def _work(item: Json, measure: Measure) -> list[Cell | Html | str]:
    gain = measure.change(item.get("gain"))
    span = measure.span(item.get("low"), item.get("high"))
    rate = number(item.get("per_minute"))
    per_minute = "–" if rate is None else f"{rate * measure.factor:+.2f}"
    code = item.get("code")
    meta = [data(item.get("kind"), 20)]
    if code:
        meta.append(join([mono(code, 12), f" {code_name(code)}" if code_name(code) else ""]))
    parts: list[Html | None] = [
        tag("span", num(f"{count(item.get('rank'))}."), " ", data(item.get("title"), 160), class_="title"),
        tag("span", join(meta, " · "), class_="meta block"),
        tag("span", data(item.get("why"), 400), class_="block") if item.get("why") else None,
        tag("span", mono(item.get("command"), 160), class_="block command") if item.get("command") else None,
        _work_examples(item),
    ]
    return [
        join(parts),
        num(count(item.get("count"))),
        join([num(gain), tag("span", num(span), class_="span")], " ") if span else num(gain),
        num(minutes(item.get("minutes"))),
        tag("strong", num(per_minute)),
    ]


def _work_examples(item: Json) -> Html | None:
    examples = items(item.get("examples"))[:EXAMPLES]
    if not examples:
        return None
    lines = [
        tag(
            "li",
            tag("p", mono(e.get("id"), 64), class_="meta"),
            tag("p", data(e.get("text"), 600), class_="row-text"),
            tag("p", data(e.get("message"), 300), class_="why") if e.get("message") else None,
        )
        for e in examples
    ]
    total = max(len(examples), round(number(item.get("count")) or 0))
    return details(f"{len(examples):,} of {total:,} rows", tag("ol", *lines, class_="diff"))


def slices(found: Sequence[Json], measure: Measure) -> Html:
    """The change in every slice; those that got worse come first, then by change."""
    if not found:
        return tag("p", "No slices were looked at.")
    order = sorted(found, key=lambda s: (s.get("verdict") != "worse", number(s.get("value")) or 0.0))
    rows = [
        (join([data(s.get("name"), 80), _score(s, measure)]), s, num(count(s.get("rows")))) for s in order
    ]
    note = tag(
        "p",
        "Verdicts are corrected for the number of slices: one interval in twenty would miss zero by luck "
        "alone, so an interval clear of zero can still be no evidence.",
        class_="note",
    )
    return join([forest("Change by slice", ("Slice", "Rows"), rows, measure, "value"), note])


def floors(found: Sequence[Json], measure: Measure) -> Html | None:
    """Each floor, with the score before and after; those that are not held come first."""
    if not found:
        return None
    place = {state: at for at, state in enumerate(FLOOR_STATES)}
    order = sorted(found, key=lambda f: place.get(str(f.get("state")), -1))
    columns = [
        Column("Floor of"),
        Column("Least score" if measure.is_share else "Largest", "num"),
        Column("Before → after", "num"),
        Column("Rows", "num"),
        Column("State"),
    ]
    lines = [
        (
            data(f.get("name"), 80),
            num(measure.value(f.get("floor"))),
            num(
                "–"
                if number(f.get("after")) is None
                else f"{measure.value(f.get('before'))} → {measure.value(f.get('after'))}"
            ),
            num(count(f.get("rows"))),
            tag("strong" if f.get("state") in FLOOR_STATES[:2] else "span", data(f.get("state"), 20)),
        )
        for f in order
    ]
    return tag("div", table("Floors", columns, lines), class_="floors")


def _score(body: Json, measure: Measure) -> Html | None:
    if number(body.get("before")) is None or number(body.get("after")) is None:
        return None
    text = f"{measure.value(body['before'])} → {measure.value(body['after'])}"
    return tag("span", num(text), class_="meta block")


def classes(found: Sequence[Json]) -> Html:
    """Size of every class at the start and now, and its recall before and after."""
    if not found:
        return tag("p", "No classes.")
    sizes = [number(c.get(k)) or 0.0 for c in found for k in ("rows_start", "rows")]
    top = max(sizes) or 1.0
    recalls = [number(c.get(k)) for c in found for k in ("recall_before", "recall_after")]
    axis = svg.axis_of([None if r is None else 100 * r for r in recalls], parts=3)
    label = f"recall before (open dot) and after (filled dot), axis from {axis.low:g} to {axis.high:g} %"
    columns = [
        Column("Class"),
        Column(_key("Training rows", "now", "at the start"), "plot bar-col"),
        Column("Start → now", "num"),
        Column("Evaluation rows", "num"),
        Column(svg.ruler(axis, label), "plot"),
        Column("Recall, %", "num"),
    ]
    lines = [
        (
            data(c.get("name"), 80),
            svg.bar(number(c.get("rows")), top, ghost=number(c.get("rows_start"))),
            num(f"{count(c.get('rows_start'))} → {count(c.get('rows'))}"),
            num(count(c.get("eval_rows"))),
            svg.dumbbell(axis, *(None if r is None else 100 * r for r in _recall(c))),
            num(" → ".join("–" if r is None else f"{100 * r:.1f}" for r in _recall(c))),
        )
        for c in found
    ]
    note = tag(
        "p",
        "Recall of one class rests on few rows and has no interval here: read it as a hint.",
        class_="note",
    )
    return join([tag("div", table("Classes", columns, lines), class_="classes"), note])


def _recall(body: Json) -> tuple[float | None, float | None]:
    return number(body.get("recall_before")), number(body.get("recall_after"))


def _key(title: str, filled: str, ghost: str) -> Html:
    """Heading of a column of bars with its key."""
    return join(
        [
            title,
            tag("span", tag("span", class_="swatch bar"), f" {filled} ", class_="key"),
            tag("span", tag("span", class_="swatch ghost"), f" {ghost}", class_="key"),
        ],
        " ",
    )


def audit(body: Json) -> Html:
    """What the audit found, code by code; a check that failed is loud, because it found nothing out."""
    failed = failures(body.get("failed"))
    counts = {str(k): number(v) or 0.0 for k, v in mapping(body.get("counts")).items()}
    if not body:
        return tag("p", "No audit was made in this run; that is not the same as clean.")
    order = sorted(counts, key=lambda code: (code not in CODE_NAMES, code))
    total, noise = number(body.get("rows")), number(body.get("estimated_noise"))
    wrong = None if total is None or noise is None else total * noise
    top = max([*counts.values(), wrong or 0.0, 1.0])
    lines: list[list[Html | str]] = []
    if wrong is not None:
        name = join(
            [
                "Labels that are wrong",
                tag("span", f"estimate: {share(noise)} of {count(total)}", class_="meta block"),
            ]
        )
        lines.append([name, svg.bar(None, top, ghost=wrong), num(f"≈ {count(wrong)}")])
    others = mapping(body.get("plugins"))
    lines += [[_check(code, others), svg.bar(counts[code], top), num(count(counts[code]))] for code in order]
    lines += [
        [_check(code, others), svg.bar(None, top), tag("strong", "failed")]
        for code, _ in failed
        if code not in counts
    ]
    lines += [
        [join([mono(code, 12), f" {code_name(code)}"]), svg.bar(None, top), "not applicable"]
        for code in sorted(map(str, mapping(body.get("not_applicable"))))
    ]
    columns = [
        Column("Finding"),
        Column(_key("", "found", "estimated"), "plot bar-col"),
        Column("Rows", "num"),
    ]
    accuracy = body.get("out_of_sample_accuracy")
    lead = None
    if number(accuracy) is not None:
        agree = f"{share(accuracy)} of {count(total)} rows"
        lead = tag("p", f"A model that never saw the row agrees with its label for {agree}.")
    found = tag("div", table("Findings of the audit", columns, lines), class_="audit")
    doubt = errors_line(mapping(body.get("trust")))
    left = tag("p", doubt[:1].upper() + doubt[1:] + ".") if doubt else None
    return join([failed_box(failed), lead, left, found, selftest.section(mapping(body.get("self_test")))])


def _check(code: str, plugins: Json) -> Html:
    """Code and name of a check; one of another package with that and its page."""
    about = mapping(plugins.get(code))
    shown = join([mono(code, 12), f" {code_name(code, plugins)}"])
    if not about:
        return shown
    # a report links to itself only: the address is text
    words = [data(about[key], 200) for key in ("package", "page") if about.get(key)]
    return join([shown, tag("span", join(words, " · "), class_="meta block")])


def failed_box(failed: Sequence[tuple[str, str]]) -> Html | None:
    """The loud box: these checks did not run, so nothing is known about them."""
    if not failed:
        return None
    lines = [
        tag("li", mono(code, 20), f" {code_name(code)} ", data(why, 300) if why else None)
        for code, why in failed
    ]
    many = "1 check failed" if len(failed) == 1 else f"{len(failed)} checks failed"
    title = tag("strong", f"Not clean: {many} and found nothing out.")
    return tag("div", tag("p", title), tag("ul", *lines), class_="box loud", role="note")


def history(versions: Sequence[Json]) -> Html:
    """The line of versions, newest first."""
    if not versions:
        return tag("p", "No versions.")
    columns = [
        Column("What"),
        Column("Rows", "num"),
        Column("Version"),
        Column("Patch"),
        Column("When"),
    ]
    lines = [
        (
            join([num(f"{count(v.get('seq'))}."), " ", data(v.get("note"), 160)]),
            num(count(v.get("rows"))),
            mono(str(v.get("id") or "")[:12]),
            mono(v.get("patch"), 40) if v.get("patch") else Html("–"),
            tag("span", stamp(v.get("created")), class_="n"),
        )
        for v in reversed(versions)
    ]
    return table("Versions", columns, lines)
