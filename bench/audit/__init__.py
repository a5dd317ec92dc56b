"""Whether records can be true, and are: by their words, by their tickets, by doing the job again."""
