"""The servers and files that everything rests on, each behind a small module."""
