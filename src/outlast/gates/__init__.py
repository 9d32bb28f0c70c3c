"""The checks a version must pass before it may go live, and the verdict."""
