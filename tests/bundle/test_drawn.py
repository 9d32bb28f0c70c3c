"""Names that are drawn once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from outlast.bundle.drawn import drawn


def test_no_name_comes_twice_whoever_draws() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [one for part in pool.map(lambda _: [drawn() for _ in range(2_000)], range(8)) for one in part]
    assert len(set(found)) == len(found) == 16_000
    assert {len(one) for one in found} == {16}


FORKED = """
import os
from outlast.bundle.drawn import drawn
drawn()
child = os.fork()
os.write(1, (" ".join(drawn() for _ in range(200)) + chr(10)).encode())
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_draws_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    ours, theirs = (set(line.split()) for line in done.stdout.splitlines())
    assert len(ours) == len(theirs) == 200
    assert ours.isdisjoint(theirs)
