"""A message's links, its rendering, and the transports that carry it. Knows nothing of the database."""
