"""Bytes of a file in, records and row errors out. One file a format; `registry` knows them all. No database."""
