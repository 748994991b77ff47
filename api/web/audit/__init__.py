"""AUDIT on screen: the log with its filters, the decision record, and verification."""
