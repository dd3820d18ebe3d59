"""Video in and out: raw YUV, Y4M, PNG pictures and everything FFmpeg reads, as exact code values. Never needs torch."""
