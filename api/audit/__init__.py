"""AUDIT over HTTP: events, checkpoint, export."""
