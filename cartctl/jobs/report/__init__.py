"""What the recovered carts were worth: one module a question, all of the same cohorts."""
