"""The stores of old on disk: what NeXT's and Apple's servers left in ``TAG.nidb`` folders (SPEC 6).

:func:`~portlore.netinfo.disk.recovering.recover` is the way in, :func:`~portlore.netinfo.disk.writing.pack_store` the
way out: both take and give files as a mapping of names to bytes. ``folders`` is the one module here that does I/O.
"""
