"""Speed and quality, side by side with the stock way and with the physical limit."""
