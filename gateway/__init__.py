"""The HTTP front of the core: speaks the documented JSON contracts and translates them to gRPC. Holds no state of its own."""
