"""A supervisor in a process of its own: `python supervised.py OF PATIENCE HANGS COMMAND...`."""

import logging
import sys

from outlast.serving.workers.supervisor import Address, Supervisor

if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    of, patience, hangs, *command = sys.argv[1:]
    assert not {"polars", "numpy", "sqlalchemy", "uvicorn"} & sys.modules.keys(), "a supervisor is light"
    supervisor = Supervisor(command, int(of), lambda text: print(text, flush=True), float(patience), float(hangs))
    sys.exit(supervisor.run(Address("127.0.0.1", 0)))
