"""`python -m krm_fn`."""

from krm_fn.main import entry

entry()
