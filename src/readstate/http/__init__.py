"""HTTP listeners: what the gateway and the admin pages share."""
