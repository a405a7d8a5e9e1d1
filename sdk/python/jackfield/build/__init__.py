"""Build: from a handler's module to a component. Runs on a developer's machine and is no part of the component."""
