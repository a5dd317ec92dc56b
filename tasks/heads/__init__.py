"""Heads that tasks put on a host: light ones, and those of SuperTickets' release."""
