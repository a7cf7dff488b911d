"""The clusters labs run on: pocket, kind, or the current kubeconfig context."""
