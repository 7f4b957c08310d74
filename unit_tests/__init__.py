"""Tests of single modules, and the simulation of whole syncs."""
