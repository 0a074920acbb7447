"""Filled by later commits."""
