"""What the command lines of both runners share: settings, console, interrupts, run root."""
