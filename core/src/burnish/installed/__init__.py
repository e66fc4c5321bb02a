"""What is installed. Light.

Distributions and their versions, plugins loaded one by one, the identity of their code.
"""
