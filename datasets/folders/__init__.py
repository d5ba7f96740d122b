"""Reads data sets from folders of images."""
