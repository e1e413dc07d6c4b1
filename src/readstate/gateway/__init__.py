"""REST in front of the gRPC server: one more client of it, which translates and holds no rule of its own."""
