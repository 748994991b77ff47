"""The inbox: what waits for whom, what was decided, and low-risk changes decided together."""
