"""The only code that touches the outside: one folder per system."""
