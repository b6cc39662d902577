"""The public Pusher Channels protocol, version 7: sockets at `/app/{key}`, requests at `/apps/{id}/...`."""
