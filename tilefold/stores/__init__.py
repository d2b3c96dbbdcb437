"""The only room that touches Delta Lake, the Redis protocol and the stream log."""
