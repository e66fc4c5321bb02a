"""The engine, from a plan to a summary.

Plan -> data -> features -> corruption -> assessment -> fits -> measures -> store -> summary.
"""
