"""A plugin that cannot be imported."""

raise ValueError("this module is broken")
