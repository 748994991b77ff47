"""What people said was wrong with proposals, and what they made of them: for the evaluation of planners."""
