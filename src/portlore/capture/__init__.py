"""Packets of others: files and interfaces, conversations, and which protocol each speaks."""
