"""The tool: the version of componentize-py that components are made with."""

TOOL_VERSION = "0.25.1"
PYTHON_VERSION = "3.14"
"""The Python inside of the components that it makes."""
