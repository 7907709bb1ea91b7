"""What travels to the browser: numbers as bytes."""
