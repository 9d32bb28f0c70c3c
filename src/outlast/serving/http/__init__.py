"""HTTP over the Predictor: it reads requests and writes answers, and holds no rules."""
