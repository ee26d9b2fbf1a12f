"""Tilth: pull requests for training data."""
