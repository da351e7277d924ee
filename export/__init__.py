"""Converts Keras models to TFLite and ONNX, quantized or not, and checks each file against its original."""
