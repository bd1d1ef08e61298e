"""ONC RPC (RFC 5531) and XDR (RFC 4506): messages as values, no socket. Pure."""
