"""The rules: policies in force, the candidate in shadow, the configuration of this process."""
