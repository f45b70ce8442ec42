"""`make tour`: python -m lab.backend lab.tour [SLUG …] [--rows N] [--picture FILE]."""

import sys

from lab.tour.keys import quiet_until_heard

if __name__ == "__main__":
    quiet_until_heard()
    from lab.tour.guide import main  # which takes a while

    sys.exit(main())
