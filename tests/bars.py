"""Bars that `make check` holds: sizes of files and functions, documentation, annotations, cycles, twins."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
FILE, FUNCTION = 500, 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def faults(path: Path) -> Iterator[str]:
    """What a file breaks."""
    text = path.read_text("utf-8")
    if (count := len(text.splitlines())) > FILE:
        yield f"{path}: {count} lines"
    tree = ast.parse(text)
    if text.strip() and ast.get_docstring(tree) is None:
        yield f"{path}: no docstring"
    for node, public in definitions(tree.body):
        where = f"{path}:{node.lineno} {node.name}"
        if public and ast.get_docstring(node) is None:
            yield f"{where}: no docstring"
        if isinstance(node, Function):
            if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION:
                yield f"{where}: {length} lines"
            yield from (f"{where}: {name} is not annotated" for name in bare(node))


def definitions(body: list[ast.stmt], public: bool = True) -> Iterator[tuple[Function | ast.ClassDef, bool]]:
    """Functions and classes of a module, and the methods of its classes, with whether they are public."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            shown = public and not node.name.startswith("_")
            yield node, shown
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, shown)


def bare(node: Function) -> Iterator[str]:
    """Names of arguments without annotation, and "return"."""
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    for argument in named:
        if argument and argument.annotation is None and argument.arg not in ("self", "cls"):
            yield argument.arg
    if node.returns is None:
        yield "return"


def imports(path: Path, modules: set[str]) -> set[str]:
    """Modules of ours that a file imports when it runs, also late ones, but not for types alone."""
    tree = ast.parse(path.read_text("utf-8"))
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in set(ast.walk(tree)) - typing:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & modules) or {node.module}
    return found & modules


def cycles() -> Iterator[str]:
    """A chain of modules that import each other."""
    names = {
        ".".join(p.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): p
        for p in SOURCE.rglob("*.py")
    }
    graph = {name: imports(path, set(names)) - {name} for name, path in names.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"import cycle: {' <- '.join(error.args[1])}"


def twins() -> Iterator[str]:
    """Test files of one name: pytest, which knows them by it, would refuse to collect any."""
    seen: dict[str, Path] = {}
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        if path.name in seen:
            yield f"{path}: the name is taken by {seen[path.name]}"
        seen[path.name] = path


def main() -> int:
    """Print every fault; the exit code is 1 when there is one."""
    found = [fault for path in sorted(SOURCE.rglob("*.py")) for fault in faults(path)]
    found += [*cycles(), *twins()]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
