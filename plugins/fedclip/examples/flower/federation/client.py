"""What runs where the images are."""

from burnish_fedclip.flower_app import client_app

app = client_app()
