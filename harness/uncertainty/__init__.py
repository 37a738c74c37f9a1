"""Arrays of what was observed in; intervals, p-values and resamples out."""
