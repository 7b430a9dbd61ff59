"""The connectors that come with fastconnect; plugins like any other, found through their entry points."""
