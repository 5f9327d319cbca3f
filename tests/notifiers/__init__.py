"""Those who are told of a run."""
