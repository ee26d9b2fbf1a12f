"""Build the example data set of support tickets: three CSV files and the tables of the datasheet.

Input (next to this file, UTF-8, tab-separated, one header line, no quoting):

- ``source.tsv``: id, queue, text. The clean truth; ids E- are everyday tickets, S- older ones.
- ``faults.tsv``: kind, source, given, true, text. The faults chosen by hand. ``source`` is the id
  of the ticket the fault is made of, ``given`` the queue the row gets, ``true`` the right one
  (empty: no queue is right), ``text`` what the row says (empty: as the source; ``@log``: a log).

Output (in ``src/tilth/examples``): ``tickets.csv``, ``tickets_eval.csv``, ``truth.csv`` and,
between two markers, the tables of ``DATASHEET.md``.

Every random choice is a hash of SEED, a purpose and a ticket's source id. That gives the same files
on every Python version, and editing one ticket moves few of the others.

Run ``python examples/tickets/build.py`` to write the files; without a change it changes nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "src" / "tilth" / "examples"
SEED = "lumen-and-oak-2"

EVAL_SHARE = 0.3
STARVED = "privacy"
STARVED_TRAIN = 15
LOG_LENGTH = 3_600

# How many train rows of a queue (left) go to the queue it is confused with (right), by lot; the
# ones chosen by hand in faults.tsv come on top.
CONFUSED = (
    ("refund", "billing", 14),
    ("returns", "refund", 11),
    ("subscription", "billing", 9),
    ("account_change", "login", 9),
    ("login", "app_bug", 3),
    ("app_bug", "login", 2),
    ("billing", "refund", 1),
    ("delivery", "returns", 1),
    ("product_question", "returns", 1),
)
MISCLICKS = 36

COPIES = ("exact_copy", "conflict_copy", "near_copy")
LEAKS = ("leak_exact", "leak_near")
NEW = ("broken", "off_topic")
COLUMNS = ("ticket", "received", "channel", "text", "queue")
BEGIN, END = "<!-- tables: begin (written by build.py) -->", "<!-- tables: end -->"


@dataclass(frozen=True)
class Ticket:
    """One row of a file; ``key`` is its source id, or kind and number for a row that was added."""

    key: str
    text: str
    given: str
    true: str
    fault: str = ""
    of: str = ""
    received: datetime = datetime(2025, 3, 3)
    channel: str = "web"
    ticket: str = ""


@dataclass(frozen=True)
class Fault:
    """One line of faults.tsv."""

    kind: str
    source: str
    given: str
    true: str
    text: str


def lot(*parts: str) -> float:
    """A number in [0, 1) that depends on SEED and the parts only."""
    digest = hashlib.blake2b("\x1f".join((SEED, *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def by_lot(purpose: str, tickets: Iterable[Ticket]) -> list[Ticket]:
    """The tickets in an order drawn for this purpose."""
    return sorted(tickets, key=lambda t: (lot(purpose, t.key), t.key))


def read_tsv(path: Path) -> list[list[str]]:
    """The lines of a tab-separated file without its header."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line.split("\t") for line in lines[1:] if line]


def when(key: str) -> datetime:
    """An invented time of arrival, March to August 2025, mostly by day."""
    day = datetime(2025, 3, 3) + timedelta(days=int(lot("day", key) * 182))
    hour = 6.5 + 8.5 * (lot("hour", key) + lot("hour again", key))
    return day + timedelta(seconds=int(hour * 3600))


def way(key: str, text: str) -> str:
    """An invented channel: polite and long texts tend to be mail, short ones chat."""
    low = text.casefold()
    polite = "regards" in low or low.startswith(("fw:", "dear", "hello,", "good "))
    mail = 0.9 if polite else 0.55 if len(text) > 160 else 0.25
    chat = (1 - mail) * (0.7 if len(text) < 60 else 0.4)
    x = lot("channel", key)
    return "mail" if x < mail else "chat" if x < mail + chat else "web"


def made_up_log() -> str:
    """A pasted device log of LOG_LENGTH characters over many lines."""
    lines = ["App keeps losing the lamp, log below:"]
    start = datetime(2025, 6, 11, 7, 14, 3)
    for i in range(80):
        stamp = (start + timedelta(milliseconds=137 * i)).isoformat(timespec="milliseconds")
        level = ("DEBUG", "DEBUG", "INFO", "WARN")[int(lot("level", str(i)) * 4)]
        code = f"0x{int(lot('code', str(i)) * 65536):04X}"
        rssi = -55 - int(lot("rssi", str(i)) * 30)
        lines.append(f"{stamp} {level} plug.radio [{code}] rssi={rssi} retry={i % 4} state=JOINING")
    return "\n".join(lines)[:LOG_LENGTH].rstrip()


def split(tickets: Sequence[Ticket], faults: Sequence[Fault]) -> tuple[list[Ticket], list[Ticket]]:
    """Train and evaluation part, queue by queue; a faulty ticket is where its fault needs it."""
    to_eval = {f.source for f in faults if f.kind in (*LEAKS, "eval_wrong")}
    to_train = {f.source for f in faults if f.kind in (*COPIES, "wrong_hand")}
    train, evaluation = [], []
    for queue in dict.fromkeys(t.true for t in tickets):
        mine = [t for t in tickets if t.true == queue]
        starved = queue == STARVED
        size = len(mine) - STARVED_TRAIN if starved else round(EVAL_SHARE * len(mine))
        fixed = [t for t in mine if t.key in to_eval]
        free = [t for t in mine if t.key not in to_eval | to_train]
        chosen = {t.key for t in (fixed + by_lot("split", free))[:size]}
        evaluation += [t for t in mine if t.key in chosen]
        train += [t for t in mine if t.key not in chosen]
    return train, evaluation


def mislabel(train: Sequence[Ticket], faults: Sequence[Fault]) -> list[Ticket]:
    """Give some rows a wrong queue: by hand, by confusion, by mis-click; none that has a copy."""
    given = {f.source: (f.given, "wrong_confused") for f in faults if f.kind == "wrong_hand"}
    copied = {f.source for f in faults if f.kind in COPIES}
    for true, wrong, n in CONFUSED:
        free = [t for t in train if t.true == true and t.key not in copied | given.keys()]
        given.update({t.key: (wrong, "wrong_confused") for t in by_lot("confused", free)[:n]})
    queues = list(dict.fromkeys(t.true for t in train))
    free = [t for t in train if t.key not in copied | given.keys()]
    for t in by_lot("misclick", free)[:MISCLICKS]:
        others = [q for q in queues if q != t.true]
        given[t.key] = (others[int(lot("where", t.key) * len(others))], "wrong_misclick")
    return [replace(t, given=given[t.key][0], fault=given[t.key][1]) if t.key in given else t for t in train]


def added(source: Mapping[str, Ticket], faults: Sequence[Fault]) -> list[Ticket]:
    """The train rows that are no source ticket: copies, leaks, broken and off-topic rows."""
    rows = []
    for number, f in enumerate(faults):
        key = f"{f.kind}:{number}"
        if f.kind in (*COPIES, *LEAKS):
            text = f.text or source[f.source].text
            days = {"near_copy": 4.0, "conflict_copy": 3.0}.get(f.kind, 0.02)
            days = 20.0 if f.kind in LEAKS else days
            late = timedelta(seconds=40 + int(lot("late", key) * days * 86_400))
            received = when(f.source) + late
        elif f.kind in NEW:
            text = made_up_log() if f.text == "@log" else f.text
            received = when(key)
        else:
            continue
        rows.append(Ticket(key, text, f.given, f.true, f.kind, f.source, received, way(key, text)))
    return rows


def table() -> tuple[list[Ticket], list[Ticket]]:
    """All rows of the train and of the evaluation file, in order of arrival, with ticket ids."""
    source = {}
    for key, queue, text in read_tsv(HERE / "source.tsv"):
        source[key] = Ticket(key, text, queue, queue, received=when(key), channel=way(key, text))
    faults = [Fault(*line) for line in read_tsv(HERE / "faults.tsv")]
    train, evaluation = split(list(source.values()), faults)
    wrong = {f.source: f.given for f in faults if f.kind == "eval_wrong"}
    evaluation = [
        replace(t, given=wrong[t.key], fault="eval_wrong") if t.key in wrong else t for t in evaluation
    ]
    train = mislabel(train, faults) + added(source, faults)
    everything = sorted(train + evaluation, key=lambda t: (t.received, t.key))
    ids = {t.key: f"T-{n:04d}" for n, t in enumerate(everything, 1)}
    named = [replace(t, ticket=ids[t.key], of=ids.get(t.of, "")) for t in everything]
    in_eval = {t.key for t in evaluation}
    return [t for t in named if t.key not in in_eval], [t for t in named if t.key in in_eval]


def as_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """CSV as RFC 4180 has it, but with line feeds."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def tickets_csv(rows: Iterable[Ticket]) -> str:
    """One of the two data files."""
    return as_csv(COLUMNS, ((t.ticket, t.received.isoformat(), t.channel, t.text, t.given) for t in rows))


def markdown(header: str, rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the header's cells are separated by bars."""
    rule = "|".join("---" for _ in header.split("|"))
    body = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join([f"| {header} |", f"|{rule}|", *body])


def datasheet_tables(train: Sequence[Ticket], evaluation: Sequence[Ticket]) -> str:
    """The generated part of the datasheet: class sizes, faults by kind, wrong evaluation rows."""
    count = {
        "true": Counter(t.true for t in train),
        "given": Counter(t.given for t in train),
        "eval": Counter(t.given for t in evaluation),
    }
    sizes = [(q, count["true"][q], count["given"][q], count["eval"][q]) for q in count["eval"]]
    sizes = sorted(sizes, key=lambda row: (-row[1], row[0]))
    sizes.append(("(no queue is right)", count["true"][""], 0, 0))
    sizes.append(("all", len(train), len(train), len(evaluation)))
    kinds = dict.fromkeys(["wrong_confused", "wrong_misclick", *COPIES, *LEAKS, *NEW])
    members = {k: [t.ticket for t in train if t.fault == k] for k in kinds}
    faults = [(f"`{k}`", len(m), " ".join(m)) for k, m in members.items()]
    moves = Counter((t.true, t.given) for t in train if t.fault == "wrong_confused")
    pairs = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    wrong = [t for t in evaluation if t.fault]
    return "\n\n".join(
        (
            "Rows per queue:",
            markdown("queue | train, true | train, as given | evaluation, as given", sizes),
            "Faults in the train file:",
            markdown("fault | rows | tickets", faults),
            "Confused queues (`wrong_confused`):",
            markdown("true queue | given queue | rows", ((a, b, n) for (a, b), n in pairs)),
            "Wrong rows in the evaluation file:",
            markdown("ticket | given | true", ((t.ticket, t.given, t.true) for t in wrong)),
        )
    )


def build() -> dict[str, str]:
    """The content of every output file by name; writes nothing."""
    train, evaluation = table()
    truth = ((t.ticket, t.true, t.fault, t.of) for t in train)
    sheet = (TARGET / "DATASHEET.md").read_text(encoding="utf-8")
    head, rest = sheet.split(BEGIN)
    tail = rest.split(END)[1]
    tables = datasheet_tables(train, evaluation)
    return {
        "tickets.csv": tickets_csv(train),
        "tickets_eval.csv": tickets_csv(evaluation),
        "truth.csv": as_csv(("ticket", "queue", "fault", "copy_of"), truth),
        "DATASHEET.md": f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}",
    }


def main() -> None:
    """Write the output files."""
    for name, content in build().items():
        (TARGET / name).write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
