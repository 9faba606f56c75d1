"""The Lumetry core: the whole domain behind gRPC. Start reading in `app.py`; what an area owns stands in its `__init__.py`."""

__version__ = "0.1.0"
