"""The demo page: what it answers, how it looks, and the server."""
