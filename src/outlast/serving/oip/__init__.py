"""The Open Inference Protocol v2 over the Predictor, whatever transport brings it."""
