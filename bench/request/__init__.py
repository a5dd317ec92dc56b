"""What is asked for: words, checked and resolved into jobs."""
