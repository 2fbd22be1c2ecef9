"""Tests of what others deploy: the image and the chart."""
