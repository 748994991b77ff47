"""The revisions, oldest first by name. Released ones never change."""
