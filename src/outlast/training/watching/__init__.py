"""What a run leaves for the watch: bins that outlast the version, and the past of its held-out rows."""
