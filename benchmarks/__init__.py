"""Benchmarks behind the documentation's figures."""
