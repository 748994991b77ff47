"""Traces and logs of every process. One trace runs from a request to its effect; export is off by default."""
