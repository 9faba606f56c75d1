"""What a host fetches from the deployment to install a collector or an agent: the scripts and the package, made once, served as they are.

Everything here is public: it holds no secret. The package is made of the installed product, so that it always fits it; the scripts carry
its checksum.
"""
