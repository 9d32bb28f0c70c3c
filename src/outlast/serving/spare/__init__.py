"""Versions tried in a process of their own before the server's process opens them."""
