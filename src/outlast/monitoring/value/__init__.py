"""What a live model is worth: money as labels mature, what people do with its answers, and what answers cost."""
