"""What each feature added to an answer, exactly, against rows of training."""
