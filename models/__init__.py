"""What is learned: features, transform, network, training, evaluation."""
