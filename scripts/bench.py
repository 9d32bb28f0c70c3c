"""Runs every benchmark of the folder benchmarks/, one after the other, and says beforehand what each will do.

A benchmark is a script whose docstring's first line says what it measures, and which exits non-zero when its bar is
missed. Name some to run only those: python scripts/bench.py latency
"""

import ast
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "benchmarks"


def benchmarks(wanted: list[str]) -> list[Path]:
    """The scripts to run, by name; all of them when none is named."""
    scripts = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.name.startswith("_")}
    unknown = [name for name in wanted if name not in scripts]
    if unknown:
        raise SystemExit(f"There is no benchmark '{unknown[0]}'. Known: {', '.join(scripts) or 'none yet'}")
    return [scripts[name] for name in wanted or scripts]


def purpose(script: Path) -> str:
    """The first line of a script's docstring."""
    text = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or "says nothing about itself"
    return text.splitlines()[0]


def main() -> int:
    """Announce, run, sum up; the exit status is the number of bars missed."""
    scripts = benchmarks(sys.argv[1:])
    print(f"{len(scripts)} benchmarks, best on a machine that does nothing else:")
    for script in scripts:
        print(f"  {script.stem}: {purpose(script)}")
    missed = []
    for script in scripts:
        print(f"\n== {script.stem}", flush=True)
        started = time.perf_counter()
        if subprocess.run([sys.executable, str(script)], cwd=FOLDER.parent, check=False).returncode:
            missed.append(script.stem)
        print(f"== {script.stem}: {time.perf_counter() - started:.0f} s", flush=True)
    print(f"\n{len(scripts) - len(missed)} of {len(scripts)} benchmarks held their bar")
    for name in missed:
        print(f"  missed: {name}")
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
