"""The same models as the engine's, written plainly: to compare with, and to read first."""
