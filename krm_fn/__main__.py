"""`python -m krm_fn`."""

import sys

from krm_fn.main import main

sys.exit(main())
