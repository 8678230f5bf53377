"""Time `import skdxa` and its heavier parts, each in a new interpreter.

    python benchmarks/imports.py [--rounds 5]

The table shows the median time in excess of an interpreter that imports nothing.
"""

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    times = {name: [] for name in STATEMENTS}
    for _ in range(args.rounds):
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
