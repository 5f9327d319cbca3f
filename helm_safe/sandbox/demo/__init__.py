"""The demo: an example chart, a load generator and the numbers that are drawn from its requests."""
