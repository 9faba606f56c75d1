"""Pages for browsers: static files, served as they are in the package, that ask nothing of any other host."""
