"""The past, told to a live server as it happened: facts, questions, labels and ticks, on a clock of its own."""
