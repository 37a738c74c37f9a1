"""Trials as tuning and training jobs of Amazon SageMaker."""
