"""Text generation and sentence embeddings in pure numpy; knows nothing of tasks."""
