"""The way of a record, inside one forked process: poll -> conversion -> _core, and the offsets back."""
