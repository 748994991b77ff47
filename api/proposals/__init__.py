"""PROPOSAL over HTTP: propose, look, decide, cancel, undo, resolve."""
