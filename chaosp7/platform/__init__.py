"""The platform: its file, and the drivers and links through which its services are reached."""
