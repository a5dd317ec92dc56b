"""The boards as one HTML page: opens from a folder, asks no host for anything."""
