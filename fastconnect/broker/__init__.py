"""A real Apache Kafka on this machine for who has none.

embedded.py   what a command calls: get a broker that runs, or start one; stop it; forget its data
keeper.py     the process that starts Kafka, watches who uses it, and ends it with its last user
files.py      the locks and files by which the commands and the keeper know of each other
kafka.py      Kafka as a program: JVM, jars, settings        install.py   fetches it, once
probe.py      asks a port whether a broker answers there

Imports nothing here: the keeper stays small.
"""
