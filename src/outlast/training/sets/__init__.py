"""Tests of shared sets of features: which sets there are, their examples, and the proof on their functions."""
