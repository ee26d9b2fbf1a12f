"""The benchmarks, one after the other, each in its own process; stops at the first that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = (
    ["recipes.py", "text-linear.v1", "linear-svc"],
    ["speed.py"],
    ["slices.py"],
    ["labels.py"],
    ["reviews.py"],
    ["annotators.py", "simulated", "scale"],
    ["audit_arrays.py"],
    ["curves.py", "fresh"],
    ["review_page.py"],
    ["reviewers.py"],
    ["map.py"],
    ["map_page.py"],
    ["gains.py"],
    ["copies.py", "5450", "54500"],
    ["linkage.py"],
    ["release.py"],
    ["serve.py"],
    ["experiments.py"],
    ["drift.py"],
    ["fleet.py"],
    ["improve.py", "clean"],
    ["improve.py", "banking", "1", "2", "3"],
)


def main() -> int:
    for run in RUNS:
        code = subprocess.run([sys.executable, str(HERE / run[0]), *run[1:]], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
