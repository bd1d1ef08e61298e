"""NetInfo, NeXT's and Apple's directory service: values, protocol, domain, server and clients."""
