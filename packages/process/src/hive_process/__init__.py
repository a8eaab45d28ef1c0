"""Runs commands as a CI system would: whole process trees, bounded output, nothing left behind."""
