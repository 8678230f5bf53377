"""Time of `import skdxa`, and of its heavier parts, each in a fresh interpreter.

    python benchmarks/imports.py

The time is that beyond an interpreter that imports nothing; medians of five.
"""

import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "nothing": "pass",
    "skdxa": "import skdxa",
    "skdxa.preprocessing": "import skdxa.preprocessing",
    "skdxa.scans": "import skdxa.scans",
    "skdxa.classification": "import skdxa.classification",
    "skdxa.study": "import skdxa.study",
}


def main():
    times = {name: [] for name in STATEMENTS}
    for _ in range(5):
        for name, statement in STATEMENTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            times[name].append(time.perf_counter() - start)
    nothing = statistics.median(times.pop("nothing"))
    print(f"{'import':24}seconds")
    for name, spent in times.items():
        print(f"{name:24}{statistics.median(spent) - nothing:7.2f}")


if __name__ == "__main__":
    main()
