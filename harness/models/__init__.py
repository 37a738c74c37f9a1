"""Estimators and transformers in; fitted models that take raw rows out."""
