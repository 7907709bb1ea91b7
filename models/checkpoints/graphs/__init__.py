"""Networks built from the graph that a file states: Keras configurations, ONNX graphs, TorchScript and torch.export programs."""
