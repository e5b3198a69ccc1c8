"""One module or folder per vector store; each is what passes the conformance suite."""
