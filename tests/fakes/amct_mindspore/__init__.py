"""Stands in for AMCT for MindSpore: the functions that the project uses, with checks of how they are called."""
