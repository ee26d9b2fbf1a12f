"""Size bars: file <= 500 lines, function <= 60 lines, public names documented and annotated."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "tilth"
FILE, FUNCTION = 500, 60


def faults(path: Path) -> Iterator[str]:
    """What a file breaks."""
    text = path.read_text("utf-8")
    if (count := text.count("\n")) > FILE:
        yield f"{path.name}: {count} lines"
    tree = ast.parse(text)
    if text.strip() and ast.get_docstring(tree) is None:
        yield f"{path.name}: no docstring"
    nested = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef)
        for inner in ast.walk(outer)
        if inner is not outer
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or id(node) in nested:
            continue
        where = f"{path.name}:{node.lineno} {node.name}"
        if isinstance(node, ast.FunctionDef):
            if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION:
                yield f"{where}: {length} lines"
            if node.returns is None:
                yield f"{where}: no return annotation"
        if not node.name.startswith("_") and ast.get_docstring(node) is None:
            private = any(
                isinstance(outer, ast.ClassDef) and outer.name.startswith("_") and node in outer.body
                for outer in ast.walk(tree)
            )
            if not private:
                yield f"{where}: no docstring"


def main() -> int:
    """Print every fault; the exit code is 1 when there is one."""
    found = [fault for path in sorted(SOURCE.rglob("*.py")) for fault in faults(path)]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
