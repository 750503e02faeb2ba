"""Published sets brought onto this machine: files, archives, repositories of a hub."""
