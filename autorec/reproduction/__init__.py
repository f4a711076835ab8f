"""Published tables and promises, measured again on real files; a job a function, whose lines are told as they come."""
