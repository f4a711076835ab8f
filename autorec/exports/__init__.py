"""A fitted model for other programs: ONNX, a NumPy folder, one HTML page."""
