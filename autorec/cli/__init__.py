"""The command line: one file a verb; each uses the public face of the library only."""
