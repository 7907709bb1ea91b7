"""Language models by counting, small networks beside them, and word vectors, of one corpus of sentences."""
