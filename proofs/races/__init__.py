"""Approval races: people, clocks and workers act on one proposal at the same moment, in several processes."""
