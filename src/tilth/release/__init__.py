"""Releases: a frozen bundle with a model that answers, and what is known about it."""
