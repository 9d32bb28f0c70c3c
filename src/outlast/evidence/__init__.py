"""What can be said of a version and of an answer: read from every stage, executing nothing of theirs."""
