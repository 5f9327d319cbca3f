"""`python -m helm_safe`."""

import sys

from helm_safe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
