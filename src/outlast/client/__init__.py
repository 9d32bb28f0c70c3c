"""Asking a server from a program: predictions, labels and facts, with or without asyncio."""
