"""One filter language for every backend: parsed once, with its truth written down once."""
