"""KRM functions for Kustomize and kpt, and the runner that others can write theirs with; docs/krm.md tells how."""
