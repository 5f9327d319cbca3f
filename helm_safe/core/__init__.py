"""Pure values and rules shared with krm_fn; NamedTuple and Enum only, because importing dataclasses costs krm_fn 10 ms."""
