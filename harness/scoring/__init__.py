"""Truth and predictions in; scores out."""
