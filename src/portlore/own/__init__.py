"""An organisation's own labels on ports (``portlore.toml``), and which ports are free to take."""
