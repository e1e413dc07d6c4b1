"""Notifications: what each member has been told, and how far they have taken notice."""
