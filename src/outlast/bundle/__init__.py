"""A version on disk: its format, its loading, and the Predictor that turns rows into answers."""
