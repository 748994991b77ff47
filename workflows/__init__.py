"""Order of the stages, waits and time-outs. No I/O: activities do that."""
