"""One module a command: its arguments, and what it does with them. None imports anything heavy before it runs."""
