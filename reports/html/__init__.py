"""The interactive report: one folder of static files that a browser opens from disk."""
