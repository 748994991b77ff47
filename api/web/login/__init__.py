"""Signing in and out: one-time links, an identity provider, and the end of a session."""
