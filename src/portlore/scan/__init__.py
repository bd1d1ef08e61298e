"""Scanning: targets, policy, engines, dialling, and what came of it."""
