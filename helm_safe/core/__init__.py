"""Pure values and rules shared with krm_fn; NamedTuple and Enum only: dataclasses would cost krm_fn 10 ms."""
