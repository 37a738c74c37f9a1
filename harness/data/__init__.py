"""Rows of a loader in; checked, split, stored and sealed data sets out."""
