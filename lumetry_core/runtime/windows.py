"""How much may be under way on a gRPC connection before the other side has read it."""

WINDOW_BYTES = 1 << 20
"""Of each stream: fills a line of 80 Mbit/s over 100 ms."""
STEADY_WINDOWS = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", WINDOW_BYTES))
"""Options of servers and channels. By itself gRPC measures each connection with a ping for what it receives, and answers the other side's:
with many connections of few small calls each that costs as much as the calls."""
