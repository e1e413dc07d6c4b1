"""gRPC: the edge that internal services meet. The only server room that knows grpc."""
