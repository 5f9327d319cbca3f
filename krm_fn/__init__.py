"""The Kustomize KRM function."""
