"""Measuring a recogniser on people: degradations, comparisons, calibration, reports."""
