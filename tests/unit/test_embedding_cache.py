"""The cache of vectors: nothing is embedded twice, nothing damaged is believed."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tilth.errors import InputError
from tilth.recipes.embedding_cache import EmbeddingCache


class Hashing:
    """A real, tiny encoder: the vector is made of the text's digest. Remembers what it was asked."""

    def __init__(self, digest: str = "a" * 16, dim: int = 8) -> None:
        self.digest, self.dim = digest, dim
        self.asked: list[str] = []

    def encode(
        self,
        texts: Sequence[str],
        *,
        batch: int = 32,
        progress: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        self.asked += texts
        rows = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            seed = hashlib.sha256((self.digest + text).encode("utf-8", "surrogatepass")).digest()
            rows[row] = np.random.default_rng(list(seed)).normal(size=self.dim)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


TEXTS = [f"text {i % 700} {'x' * (i % 13)}" for i in range(1500)]


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "deep" / "embeddings.sqlite")


def test_result_equals_the_encoder_in_order_with_repetitions(cache: EmbeddingCache) -> None:
    texts = [*TEXTS, "", "\ud800 lone surrogate", "日本語", ""]
    got = cache.embed(Hashing(), texts)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, Hashing().encode(texts))


def test_each_text_is_embedded_once_ever(cache: EmbeddingCache) -> None:
    encoder = Hashing()
    first = cache.embed(encoder, TEXTS)
    assert sorted(encoder.asked) == sorted(set(TEXTS))
    encoder.asked.clear()
    again = cache.embed(encoder, [*reversed(TEXTS), "new"])
    assert encoder.asked == ["new"]
    np.testing.assert_array_equal(again[:-1], first[::-1])


def test_a_constructor_touches_no_disk(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path / "a" / "b.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_no_texts(cache: EmbeddingCache) -> None:
    assert cache.embed(Hashing(), []).shape == (0, 8)


def test_encoders_are_kept_apart(cache: EmbeddingCache) -> None:
    one, two = Hashing("1" * 16), Hashing("2" * 16)
    assert not np.allclose(cache.embed(one, ["a"]), cache.embed(two, ["a"]))
    assert two.asked == ["a"]


def test_progress_sums_to_the_number_of_texts(cache: EmbeddingCache) -> None:
    for _ in range(2):
        steps: list[int] = []
        cache.embed(Hashing(), TEXTS, steps.append)
        assert sum(steps) == len(TEXTS)


def test_an_interrupted_run_continues(cache: EmbeddingCache) -> None:
    class Stops(Hashing):
        def encode(self, texts, *, batch=32, progress=None):  # type: ignore[no-untyped-def]
            if self.asked:
                raise KeyboardInterrupt
            return super().encode(texts)

    texts = [f"t{i:05d}" for i in range(1300)]
    stopped = Stops()
    with pytest.raises(KeyboardInterrupt):
        cache.embed(stopped, texts)
    encoder = Hashing()
    np.testing.assert_array_equal(cache.embed(encoder, texts), Hashing().encode(texts))
    assert len(stopped.asked) == 512
    assert set(encoder.asked) == set(texts) - set(stopped.asked)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("vector", b""),
        ("vector", b"\x00" * 31),
        ("vector", b"\x00" * 32),
        ("vector", np.full(8, np.nan, dtype="<f4").tobytes()),
        ("vector", np.ones(16, dtype="<f4").tobytes()),
        ("crc", 1),
    ],
)
def test_a_damaged_entry_is_computed_again(cache: EmbeddingCache, column: str, value: object) -> None:
    good = cache.embed(Hashing(), ["a", "b"])
    with sqlite3.connect(cache.path) as database:
        key = hashlib.sha256(b"a").digest()
        database.execute(f"UPDATE embedding SET {column} = ? WHERE text = ?", (value, key))
    database.close()
    for asked in (["a"], []):  # mended for good
        encoder = Hashing()
        np.testing.assert_array_equal(cache.embed(encoder, ["a", "b"]), good)
        assert encoder.asked == asked


def test_an_entry_of_another_dimension_is_computed_again(cache: EmbeddingCache) -> None:
    cache.embed(Hashing(dim=4), ["a"])
    assert cache.embed(Hashing(dim=8), ["a"]).shape == (1, 8)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a cache\n" * 100)
    with pytest.raises(InputError, match=r"notes\.txt"):
        EmbeddingCache(path).embed(Hashing(), ["a"])
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE patches (id)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="no embedding cache"):
        EmbeddingCache(path).embed(Hashing(), ["a"])
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no folder"):
        EmbeddingCache(tmp_path / "file" / "cache.sqlite").embed(Hashing(), ["a"])


@pytest.mark.parametrize("texts", ["one text", [None], ["a", 3]])
def test_what_is_no_list_of_texts_is_refused(cache: EmbeddingCache, texts: object) -> None:
    with pytest.raises(InputError, match="text"):
        cache.embed(Hashing(), texts)  # type: ignore[arg-type]


def test_no_text_is_stored(cache: EmbeddingCache) -> None:
    cache.embed(Hashing(), ["my very secret ticket"])
    assert all(b"secret" not in p.read_bytes() for p in cache.path.parent.iterdir())


_WORKER = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_embedding_cache import Hashing
from tilth.recipes.embedding_cache import EmbeddingCache
texts = [f"text {i}" for i in range(2500)]
order = np.random.default_rng(int(sys.argv[3])).permutation(len(texts))
shuffled = [texts[i] for i in order]
got = EmbeddingCache(Path(sys.argv[2])).embed(Hashing(), shuffled)
assert (got == Hashing().encode(shuffled)).all()
"""


def test_processes_share_one_file(cache: EmbeddingCache) -> None:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", _WORKER, here, str(cache.path)]
    workers = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE, text=True) for n in range(4)]
    problems = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [w.returncode for w in workers] == [0] * 4, problems
    encoder = Hashing()
    cache.embed(encoder, [f"text {i}" for i in range(2500)])
    assert encoder.asked == []
