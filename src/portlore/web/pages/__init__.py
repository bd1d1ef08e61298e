"""The pages as values, one frozen class each: HTML and JSON are made from the same one. Pure."""
