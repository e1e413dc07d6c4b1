"""What only `readstate dev` needs."""
