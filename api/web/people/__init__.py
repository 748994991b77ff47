"""People who decide: who stands in for whom, and how everybody decided."""
