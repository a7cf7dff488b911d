"""What webhook configurations and admission policies have in common: rules, match conditions, expressions."""
