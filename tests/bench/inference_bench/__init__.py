"""How fast the inference is, beside torch, plain numpy and the limits of the machine."""
