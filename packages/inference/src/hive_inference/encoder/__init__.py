"""Encoders (BERT): texts of any length, side by side without padding, a vector for each."""
