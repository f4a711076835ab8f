"""The command line: one file a verb, standing on the public face of the library only."""
