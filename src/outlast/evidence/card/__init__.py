"""The model card: what is kept of a version, put in words once and shown as Markdown or as a page."""
