"""AUDIT, proof side: tree, signed checkpoints, export, offline verification, replay. None of it needs a database."""
