"""The commands of ``moorage-api``, one module each; the command line itself is ``__main__``."""
