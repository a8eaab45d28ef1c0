"""Decoders (GPT and Llama): many sequences, each a token further at every step."""
