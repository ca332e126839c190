"""Tests that need a GPU; without one they are skipped as a whole."""
