"""One module per form in which IANA publishes the registry; each turns its bytes into a Reading."""
