"""Claims about ports that the registry does not make, with their sources and our verdicts. Pure."""
