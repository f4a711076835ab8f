"""The HTTP service: a model folder answers requests; see `autorec serve`."""
