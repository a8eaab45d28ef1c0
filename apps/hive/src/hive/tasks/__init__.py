"""What the command line does with tasks: submit, watch, show."""
