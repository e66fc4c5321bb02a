"""What is installed: distributions and their versions, plugins loaded one by one, the identity of their code. Light."""
