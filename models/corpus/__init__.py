"""The index of a corpus: the states of a network at every token of many texts, and the questions that it answers.

    python -m models.corpus build NETWORK CORPUS OUT

An index is a Zarr group (version 3 of the format); ``models.corpus.corpus_index`` lists its arrays.
"""
