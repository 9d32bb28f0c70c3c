"""The loop: what is due is done, by whoever runs it."""
