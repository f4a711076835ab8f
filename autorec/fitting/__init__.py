"""What a fit decides around training: settings, rating scale, damped biases, λ and the number of epochs."""
