"""The measurements of `scripts/bench`, one file a kind. Each step yields rows; see `timing.Row`."""
