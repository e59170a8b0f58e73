"""cartctl wins back abandoned carts. Start reading at `cartctl.jobs.run_due`."""

__version__ = "0.1.0"
