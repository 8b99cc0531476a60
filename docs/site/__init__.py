"""The docs site: `make docs` builds it into ``build/docs/html`` from ``docs/*.md`` and the code.

Nothing of it is imported by chaosp7, and nothing that it writes is kept in the repository.
"""
