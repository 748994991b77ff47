"""A worker that is stopped at a point of the path, given up, and wakes when another one has taken over."""
