"""Versions whose libraries are not those installed here, answered by processes of their own."""
