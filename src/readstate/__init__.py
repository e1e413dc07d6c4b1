"""readstate remembers who has read what."""
