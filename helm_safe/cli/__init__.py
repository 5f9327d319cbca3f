"""Commands: parser, wiring and the one error boundary."""
