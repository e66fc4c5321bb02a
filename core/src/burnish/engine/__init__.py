"""The engine: plan -> data -> features -> corruption -> assessment -> fits -> measures -> store -> summary."""
