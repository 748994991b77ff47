"""REQUEST → PROPOSAL: a request's one outcome is written, with the proposals that come of it."""
