"""The run: snapshot, features as known, split, fit, evaluate, profile, bundle, register."""
