"""What augmentation and evaluation make of samples: of batches of arrays, or one by one as the field does."""
