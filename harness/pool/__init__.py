"""Trials in processes of this machine: a server that forks workers, and who gets which trial when."""
