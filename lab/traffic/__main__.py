"""Run each revision of the chain while the application works, up and down: `python -m lab.traffic`.

It makes a backend and a server of its own, and removes both. With DATABASE_URL it works on that
server, in databases of its own.
"""

import sys

from lab.backend import generated, run

if __name__ == "__main__":
    with generated() as folder:
        code = run(folder, "lab.traffic.chain", sys.argv[1:])
    sys.exit(code)
