"""Find slices in which a model is worse than it should be: candidates, and a test that counts all tries."""
