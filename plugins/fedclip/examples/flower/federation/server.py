"""What runs at the server: it sees adapters, never an image or a label."""

from burnish_fedclip.flower_app import server_app

app = server_app()
