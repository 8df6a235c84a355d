"""Shared by several tasks: ways of evaluating, and binary images."""
