"""The API called as its own description says it may be, and as it says it may not."""
