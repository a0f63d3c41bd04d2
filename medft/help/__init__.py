"""Help on the command line, made from the settings themselves, and completion by the shell."""
