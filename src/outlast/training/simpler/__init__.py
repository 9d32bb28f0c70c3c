"""The ladder's simpler model: what answers when nothing can be looked up, trained and tested beside the full one."""
