"""Poison at each entrance: it is refused or handled, nothing forbidden is stored, and the neighbours do not notice."""
