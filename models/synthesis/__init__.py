"""Synthetic training images and augmentation."""
