"""How good a planner is: requests with the outcome they should come to, and a score."""
