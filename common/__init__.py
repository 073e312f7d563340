"""What every room stands on: errors with cause and cure."""
