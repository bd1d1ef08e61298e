"""Values to text: one module per output form; FORMATS is the table. Pure."""
