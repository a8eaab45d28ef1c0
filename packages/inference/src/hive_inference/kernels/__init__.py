"""The arithmetic of transformers on float32 arrays, written into buffers that the caller owns."""
