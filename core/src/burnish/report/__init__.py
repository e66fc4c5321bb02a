"""What a study says: tables (light), figures and the HTML report.

Import the modules; this package imports nothing.
"""
