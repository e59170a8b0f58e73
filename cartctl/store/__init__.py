"""The database: tables, transactions, and what each job asks of them. Nothing here decides; `domain` does."""
