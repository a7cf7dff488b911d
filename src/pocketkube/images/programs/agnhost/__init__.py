"""`/agnhost`: netexec and the smaller servers and tools, one module per group."""
