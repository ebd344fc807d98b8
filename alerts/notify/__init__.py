"""How people hear: one file a channel, each behind the same protocol."""
