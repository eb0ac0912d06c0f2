"""MnistExampleGen: MNIST's IDX files to tf.Example splits."""
