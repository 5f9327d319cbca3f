"""The only place that runs helm and decodes its storage."""
