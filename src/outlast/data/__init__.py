"""What a source's rows are: read, described, checked, told apart, and counted."""
