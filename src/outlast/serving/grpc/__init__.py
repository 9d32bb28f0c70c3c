"""The Open Inference Protocol v2 over gRPC: a sibling of HTTP over the same parts, with the extra outlast[grpc]."""
