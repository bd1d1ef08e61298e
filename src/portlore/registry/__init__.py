"""The official registry: rows, status rules, index, history. Pure: text and bytes in, values out."""
