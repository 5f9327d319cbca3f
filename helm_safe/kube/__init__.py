"""The only importer of the official kubernetes client."""
