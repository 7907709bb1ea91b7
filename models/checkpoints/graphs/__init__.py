"""Networks built from the graph that a file states: a Keras configuration, an ONNX graph, a program of torch."""
