"""A tampered audit export: every flipped bit and every rearrangement is found by the verifier of the command line."""
