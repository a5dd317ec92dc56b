"""What others are given: tickets, networks and records as a folder that vouches for itself, and the way to a Hub."""
