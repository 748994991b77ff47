"""VERDICT in plain words: why a proposal was allowed, denied or sent to a person, and what would have to change."""
