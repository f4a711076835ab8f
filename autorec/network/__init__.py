"""The torch parts: sparse operations, activations, the autoencoder. Knows arrays, nothing of files, ids or users."""
