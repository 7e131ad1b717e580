"""How many instructions a request takes in user space: the same number in every run, whatever else the machine does."""
