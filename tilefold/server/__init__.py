"""The feature server: merged reads, ingest and explanations over HTTP, as `tecton-client` speaks it."""
