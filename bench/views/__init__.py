"""One record, ticket or home, shown to people."""
