"""Whether what is asked is still what was learned. It needs TFDV, which a server does not."""
