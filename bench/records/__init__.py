"""What a job leaves: the record, its setting, where it comes from, and what older ones said."""
