"""What people do to models: one table of operations, done here or by the server that the workspace names."""
