"""Notion, which cartctl mirrors into and never reads the truth from. Needs the extra `cartctl[notion]`."""
