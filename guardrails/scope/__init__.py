"""Registered targets, within bounds."""
