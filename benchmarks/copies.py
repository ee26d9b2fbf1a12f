"""Near copies among short texts with planted copies: recall by kind, false drops, CPU seconds, memory.

    python benchmarks/copies.py                all tools and sizes
    python benchmarks/copies.py TOOL N         one tool in this process (what the line above starts)

The rows are those of 30 to 300 words among Dolly, GSM8K, MBPP, PandaLM and English XQuAD, then rows that a
chain over the words of those makes up (the next word follows the last two in the data three times in four,
else the last one), so that common phrases are as common as in the data and no row is a copy of another.
One row in 21.8 is planted: a copy as it is, without punctuation and in capitals, with other blanks, with
3 % or 10 % of its words changed. TILTH_PEERS names a Python that has rensa and datasketch.
False drop: a dropped row that is no planted copy or its source and that shares less than half of its word
3-grams with every other row (Jaccard similarity, exact).
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import DATA, Missing, clock, in_process, peak_mib, save

import numpy as np

KINDS = ("exact", "case_punct", "whitespace", "edit3", "edit10")
SIZES = (5_450, 54_500, 545_000)
SHARE = 2_500 / 54_500
TOOLS = {"tilth": SIZES, "rensa": SIZES, "datasketch": SIZES[:2]}
WORD = re.compile(r"\w+")
Planted = list[tuple[int, int, str]]


def natural() -> list[str]:
    """Distinct texts of 30 to 300 words from public data."""
    found: list[str] = []
    try:
        for r in json.loads((DATA / "dolly_3k/dolly_3k.json").read_text("utf-8")):
            found.append("\n".join(x for x in (r["instruction"], r["input"], r["output"]) if x))
        for part in ("train", "test"):
            for line in (DATA / f"gsm8k/{part}.jsonl").read_text("utf-8").splitlines():
                r = json.loads(line)
                found.append(r["question"] + "\n" + re.sub(r"<<.*?>>|####", "", r["answer"]))
        for line in (DATA / "mbpp/mbpp.jsonl").read_text("utf-8").splitlines():
            r = json.loads(line)
            found.append(r["text"] + "\n" + r["code"])
        for r in json.loads((DATA / "pandalm_testset/testset-v1.json").read_text("utf-8")):
            parts = (r["instruction"], r["input"], r["response1"])
            found.append("\n".join(x for x in parts if isinstance(x, str) and x))
        for d in json.loads((DATA / "xquad/xquad.en.json").read_text("utf-8"))["data"]:
            found += [p["context"] for p in d["paragraphs"]]
    except OSError as error:
        raise Missing(f"{error.filename} is not there; set TILTH_DATA") from error
    return [t for t in dict.fromkeys(found) if 30 <= len(t.split()) <= 300]


def invented(base: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Rows by a chain over words; lengths are drawn from those of the base."""
    words = [w for t in base for w in t.split()]
    number: dict[str, int] = {}
    w = np.array([number.setdefault(x, len(number)) for x in words])
    n = len(w)
    pair = w[:-1] * len(number) + w[1:]
    by_word, by_pair = np.argsort(w[:-1], kind="stable"), np.argsort(pair, kind="stable")
    ones, pairs = w[:-1][by_word], pair[by_pair]
    names = np.array(list(number), dtype=object)
    out: list[str] = []
    lengths = np.array([len(t.split()) for t in base])
    while len(out) < count:
        rows = min(20_000, count - len(out))
        want = np.sort(rng.choice(lengths, rows))[::-1]
        at = rng.integers(1, n - 1, rows)
        made = np.zeros((rows, int(want.max())), dtype=np.int64)
        for step in range(made.shape[1]):
            active = int((want > step).sum())
            at = at[:active]
            made[:active, step] = w[at]
            two = rng.random(active) < 0.75
            keys = np.where(two, pair[at - 1], 0)
            low = np.where(two, np.searchsorted(pairs, keys), np.searchsorted(ones, w[at]))
            high = np.where(two, np.searchsorted(pairs, keys, "right"), np.searchsorted(ones, w[at], "right"))
            pick = low + (rng.random(active) * (high - low)).astype(np.int64)
            followed = np.where(
                two, by_pair[np.minimum(pick, n - 2)] + 2, by_word[np.minimum(pick, n - 2)] + 1
            )
            at = np.where((high > low) & (followed < n - 1), followed, rng.integers(1, n - 1, active))
        out += [" ".join(names[made[i, : want[i]]]) for i in rng.permutation(rows)]
    return out


def plant(texts: list[str], count: int, rng: random.Random) -> list[tuple[int, str, str]]:
    """Copies of random rows: number of the source, kind, text."""
    vocabulary = [w for t in rng.sample(texts, min(2_000, len(texts))) for w in WORD.findall(t)]

    def edit(text: str, share: float) -> str:
        w = text.split(" ")
        for _ in range(max(1, round(len(w) * share))):
            kind, p = rng.randrange(3), rng.randrange(len(w))
            if kind == 0:
                w[p] = rng.choice(vocabulary)
            elif kind == 1:
                w.insert(p, rng.choice(vocabulary))
            elif len(w) > 5:
                del w[p]
        return " ".join(w)

    out = []
    for n, i in enumerate(rng.sample(range(len(texts)), count)):
        text, kind = texts[i], KINDS[n % 5]
        if kind == "case_punct":
            text = re.sub(r"[.,;:!?\"']", "", text).upper()
        elif kind == "whitespace":
            text = "  " + re.sub(r"\s+", lambda m: m[0] + " " * rng.randrange(2), text) + "\n"
        elif kind != "exact":
            text = edit(text, 0.03 if kind == "edit3" else 0.10)
        out.append((i, kind, text))
    return out


def setting(n: int) -> tuple[list[str], Planted]:
    """n texts, the last of them planted, and (source, copy, kind)."""
    planted = round(n * SHARE)
    base = natural()
    texts = base[: n - planted]
    texts += invented(base, n - planted - len(texts), np.random.default_rng(7))
    made = plant(texts, planted, random.Random(7))
    first = len(texts)
    return texts + [t for _, _, t in made], [(i, first + k, kind) for k, (i, kind, _) in enumerate(made)]


def shingles(text: str) -> set[str]:
    """Word 3-grams, as the peers get them."""
    w = WORD.findall(text.lower())
    return {" ".join(w[i : i + 3]) for i in range(max(1, len(w) - 2))} if w else {""}


def tilth(texts: list[str]) -> tuple[list[int], dict[str, Any]]:
    from tilth.copies import find_copies

    copies = find_copies(texts)
    _, first = np.unique(copies.clusters(), return_index=True)
    return sorted(first.tolist()), {"pairs": len(copies.pairs), "skipped": copies.skipped}


def rensa(texts: list[str]) -> tuple[list[int], dict[str, Any]]:
    from rensa import RMinHashDeduplicator

    d = RMinHashDeduplicator(threshold=0.7, num_perm=128, use_lsh=True, seed=7)
    kept = d.add_pairs((str(i), list(shingles(t))) for i, t in enumerate(texts))
    return [i for i, k in enumerate(kept) if k], {}


def datasketch(texts: list[str]) -> tuple[list[int], dict[str, Any]]:
    from datasketch import MinHash, MinHashLSH

    lsh, kept = MinHashLSH(threshold=0.7, num_perm=128), []
    sets = ([s.encode() for s in shingles(t)] for t in texts)
    for i, m in enumerate(MinHash.generator(sets, num_perm=128, seed=7)):
        if not lsh.query(m):
            kept.append(i)
        lsh.insert(i, m)
    return kept, {}


def one(tool: str, path: Path) -> None:
    """Run a tool on the texts in a file; the kept rows and the cost as JSON."""
    texts = json.loads(path.read_text("utf-8"))
    base = peak_mib()
    with clock() as used:
        kept, more = {"tilth": tilth, "rensa": rensa, "datasketch": datasketch}[tool](texts)
    print(json.dumps(used | more | {"added_mib": peak_mib() - base, "kept": kept}))


def false_drops(texts: list[str], dropped: set[int], touched: set[int]) -> int:
    """Dropped rows that no other row resembles; by an inverted index over word 3-grams."""
    doubtful = {i: shingles(texts[i]) for i in dropped - touched}
    if not doubtful:
        return 0
    index: dict[str, list[int]] = {}
    for i, s in doubtful.items():
        for gram in s:
            index.setdefault(gram, []).append(i)
    safe: set[int] = set()
    for j, text in enumerate(texts):
        s = shingles(text)
        shared: dict[int, int] = {}
        for gram in s:
            for i in index.get(gram, ()):
                if i != j:
                    shared[i] = shared.get(i, 0) + 1
        safe |= {i for i, c in shared.items() if 2 * c >= len(s) + len(doubtful[i]) - c}
    return len(doubtful.keys() - safe)


def run(tool: str, n: int, path: Path, texts: list[str], planted: Planted) -> dict[str, Any]:
    """One tool on one size, scored."""
    python = os.environ.get("TILTH_PEERS", sys.executable) if tool != "tilth" else sys.executable
    body = in_process(__file__, tool, path, python=python)
    if "error" in body:
        return {"tool": tool, "n": n} | body
    kept = set(body.pop("kept"))
    recall = {}
    for kind in KINDS:
        pairs = [(i, j) for i, j, k in planted if k == kind]
        recall[kind] = round(sum(not (i in kept and j in kept) for i, j in pairs) / len(pairs), 4)
    touched = {x for i, j, _ in planted for x in (i, j)}
    drops = false_drops(texts, set(range(n)) - kept, touched)
    return {"tool": tool, "n": n} | body | {"dropped": n - len(kept), "recall": recall, "false_drops": drops}


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] in TOOLS:
        return one(sys.argv[1], Path(sys.argv[2]))
    wanted = [int(a) for a in sys.argv[1:]] or list(SIZES)
    out: list[dict[str, Any]] = []
    for n in wanted:
        texts, planted = setting(n)
        words = np.array([len(t.split()) for t in texts])
        print(
            f"{n} rows, {sum(map(len, texts)) / 1e6:.1f} M characters, words {np.percentile(words, [5, 50, 95])}"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.json"
            path.write_text(json.dumps(texts), "utf-8")
            for tool, sizes in TOOLS.items():
                if n in sizes:
                    out.append(run(tool, n, path, texts, planted))
                    print(json.dumps(out[-1]), flush=True)
    cpu = {(r["tool"], r["n"]): r.get("cpu_s") for r in out}
    ratio = {
        f"{tool}_over_tilth_{n}": round(cpu[tool, n] / cpu["tilth", n], 1)
        for tool, n in cpu
        if tool != "tilth" and cpu[tool, n] and cpu.get(("tilth", n))
    }
    save("copies", {"cases": out, "ratios": ratio, "date": time.strftime("%Y-%m-%d")})
    print(json.dumps(ratio))


if __name__ == "__main__":
    main()
