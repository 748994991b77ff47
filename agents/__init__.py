"""REQUEST → PROPOSAL: agents read, and propose. They hold no credentials and change nothing."""
