"""The same work by the harness and by its peers: rows of work in, measured runs and a table of ratios out."""
