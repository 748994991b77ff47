"""Who decides, for whom, and how: delegations and figures."""
