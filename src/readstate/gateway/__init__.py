"""REST in front of the gRPC server. The gateway is one more gRPC client: it translates and has no rules of its own."""
