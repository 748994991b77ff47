"""Fuzzed outputs of a language model, through the real reader of them: nothing forbidden becomes a proposal."""
