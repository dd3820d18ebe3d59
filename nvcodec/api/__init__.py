"""What users call. Nothing here needs torch at import but the data set."""
