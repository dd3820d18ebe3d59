"""What a decoded video is worth against its source."""
