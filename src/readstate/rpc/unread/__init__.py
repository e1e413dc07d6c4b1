"""UnreadService: streams that tell members what they have not read."""
