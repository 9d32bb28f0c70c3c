"""Guards against leakage: what a training set knows that a decision cannot know."""
