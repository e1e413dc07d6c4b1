"""Who is calling: token → claims → member. Knows no gRPC: takes text, returns values."""
